"""The commands ``advise`` and ``monitor`` answer from files as the functions do."""

import numpy as np

import madtheory as mad
from madtheory.cli import main


def test_advise_prints_the_report(tmp_path, capsys):
    table = np.random.default_rng(0).normal(size=(60, 2))
    np.savetxt(tmp_path / "table.csv", table, delimiter=",")
    assert main(["advise", str(tmp_path / "table.csv"), "--bias", "0.8"]) == 0
    read = np.loadtxt(tmp_path / "table.csv", delimiter=",")
    assert capsys.readouterr().out.strip() == str(mad.advise(read, bias=0.8)).strip()


def test_monitor_reads_generations(tmp_path, capsys):
    rng = np.random.default_rng(0)
    real, batches = rng.normal(size=(80, 2)), [rng.normal(size=(70, 2)) * 0.8**t for t in range(4)]
    rows = [np.column_stack([np.full(70, t + 1), batch]) for t, batch in enumerate(batches)]
    np.save(tmp_path / "log.npy", np.concatenate(rows))
    np.save(tmp_path / "real.npy", real)
    command = ["monitor", str(tmp_path / "log.npy"), "--real", str(tmp_path / "real.npy")]
    assert main([*command, "--regime", "replace", "--sequential"]) == 0
    printed = capsys.readouterr().out
    expected = mad.monitor(batches, real=real, regime="replace", sequential=True)
    assert printed.strip() == str(expected).strip()
    assert "Collapsing: yes" in printed


def test_monitor_reads_counts(tmp_path, capsys):
    np.save(tmp_path / "log.npy", np.array([[50, 30, 20], [100, 0, 0]]))
    np.save(tmp_path / "real.npy", np.array([[40, 30, 30]]))
    command = ["monitor", str(tmp_path / "log.npy"), "--real", str(tmp_path / "real.npy"), "--counts"]
    assert main([*command, "--regime", "unchanged"]) == 0
    assert "Collapsing: yes" in capsys.readouterr().out


def test_a_missing_file_is_one_line(tmp_path, capsys):
    assert main(["advise", str(tmp_path / "none.csv")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1

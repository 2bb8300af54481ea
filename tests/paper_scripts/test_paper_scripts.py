"""The command that makes the figures, its gallery, and what a finding may say."""

import json
import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from madtheory import storage
from paper_scripts import __main__ as command, gallery
from paper_scripts.figure import Figure, Finding
from paper_scripts.findings import agreement, combine, equivalence, holds, no_more, student_limit, with_error

ROOT = Path(__file__).parents[2]


def simulation(*, quick=False, rng=0, n_jobs=-1):
    values = np.random.default_rng(rng).standard_normal(10 if quick else 1000)
    return xr.Dataset({"x": ("i", values)}, attrs={"n_jobs": n_jobs})


def draw(data):
    figure, ax = plt.subplots(figsize=(3, 2))
    ax.plot(data["x"])
    return figure


def findings(data):
    mean, error = data["x"].mean().item(), data["x"].std().item() / np.sqrt(data.sizes["i"])
    return [
        Finding(claim="the mean is 0 | not 1", ours=with_error(mean, error), verdict=agreement(mean / error))
    ]


def figure(name, **changes):
    keywords = {"title": f"Figure {name}", "source": "a paper", "simulate": simulation}
    return Figure(**{"name": name, **keywords, "draw": draw, "judge": findings, **changes})


@pytest.fixture
def figures(monkeypatch):
    table = {name: figure(name) for name in ("first", "second")}
    monkeypatch.setattr(command, "all_figures", lambda: table)
    return table


def test_simulations_run_on_the_engine_that_is_asked_for(figures, capsys, tmp_path, monkeypatch):
    import joblib

    found = []

    def engine(*, quick=False, rng=0, n_jobs=-1):
        backend, _ = joblib.parallel.get_active_backend()
        found.append(type(backend).__name__)
        return simulation(quick=quick, rng=rng, n_jobs=n_jobs)

    monkeypatch.setattr(command, "all_figures", lambda: {"first": figure("first", simulate=engine)})
    options = ["--only", "first", "--quick", "--out", str(tmp_path)]
    assert command.main([*options, "--engine", "threading"]) == 0
    assert command.main(options) == 0
    assert found == ["ThreadingBackend", "LokyBackend"]
    for name, message in {
        "nothing": "is not known to joblib",
        "dask://127.0.0.1:9": "reached|needs Dask",
    }.items():
        with pytest.raises(SystemExit) as stop:
            command.main([*options, "--engine", name])
        assert stop.value.code == 2
        assert re.search(message, capsys.readouterr().err)


def test_without_options_it_lists_the_figures(figures, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command.main([]) == 0
    out = capsys.readouterr().out
    assert all(f"{name}" in out and f"Figure {name}" in out for name in figures)
    assert "--only NAME" in out
    assert not list(tmp_path.iterdir())


def test_only_makes_the_files_and_says_what_came_out(figures, capsys, tmp_path):
    out = tmp_path / "deep" / "gallery"
    assert command.main(["--only", "second", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "second.nc", "second.png"]
    printed = capsys.readouterr().out
    data = storage.load(out / "second.nc")
    expected = findings(data)[0].ours
    for text in ("claim    the mean is 0 | not 1", f"ours     {expected}", "verdict  agrees", " s -> "):
        assert text in printed
    assert data.sizes["i"] == 1000
    readme = (out / "README.md").read_text()
    assert expected in readme
    assert "the mean is 0 \\| not 1" in readme
    assert "first" not in readme


def test_a_later_run_keeps_the_other_figures(figures, tmp_path):
    command.main(["--only", "second", "--quick", "--out", str(tmp_path)])
    kept = (tmp_path / "second.nc").read_bytes()
    command.main(["--only", "first", "--out", str(tmp_path)])
    readme = (tmp_path / "README.md").read_text()
    assert readme.index('## <a id="first"') < readme.index('## <a id="second"')  # the table's order
    assert "--only second --quick" in readme
    assert "--only first`" in readme
    assert (tmp_path / "second.nc").read_bytes() == kept
    # Running one again replaces its own entry only.
    command.main(["--only", "second", "--out", str(tmp_path)])
    assert "--quick" not in (tmp_path / "README.md").read_text()


def test_all_makes_all(figures, tmp_path):
    command.main(["--all", "--quick", "--out", str(tmp_path), "--jobs", "1"])
    assert {path.stem for path in tmp_path.glob("*.png")} == set(figures)
    assert storage.load(tmp_path / "first.nc").attrs["n_jobs"] == 1


def test_an_unknown_name_lists_the_known_ones(figures, capsys, tmp_path):
    with pytest.raises(SystemExit, match="2"):
        command.main(["--only", "first", "third", "--out", str(tmp_path / "none")])
    assert "no figure is called third; there are: first, second." in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("arguments", [["--only", "first", "--all"], ["--rng", "-1"], ["--rng", "x"]])
def test_bad_options(figures, capsys, arguments):
    with pytest.raises(SystemExit, match="2"):
        command.main(arguments)
    assert "error" in capsys.readouterr().err


def test_redraw_judges_again_without_a_simulation(figures, tmp_path, capsys):
    command.main(["--only", "first", "--quick", "--rng", "2", "--out", str(tmp_path)])
    before = storage.load(tmp_path / "first.nc")
    said = [Finding(claim="another", ours="1", verdict="not tested")]

    def fails(**_):
        raise AssertionError("simulated again")

    figures["first"] = figure("first", judge=lambda data: said, simulate=fails)
    command.main(["--only", "first", "--redraw", "--out", str(tmp_path)])
    after = storage.load(tmp_path / "first.nc")
    assert after.drop_attrs().identical(before.drop_attrs())
    entry = gallery.read_entries(tmp_path)["first"]
    assert entry.findings == tuple(said)
    assert entry.command.endswith("--quick --rng 2")
    with pytest.raises(SystemExit, match="2"):
        command.main(["--only", "second", "--redraw", "--out", str(tmp_path)])
    assert "holds no second.nc" in capsys.readouterr().err


def test_pictures_of_other_formats(figures, tmp_path, capsys):
    """They are vectors, the same in every run, and next to the PNG; redrawing makes them too."""
    made, again = tmp_path / "first", tmp_path / "again"
    command.main(["--only", "first", "--quick", "--out", str(made), "--format", "pdf", "svg"])
    assert (made / "first.pdf").read_bytes().startswith(b"%PDF")
    assert "<svg" in (made / "first.svg").read_text()
    command.main(["--only", "first", "--quick", "--out", str(again)])
    assert {path.name for path in again.iterdir()} == {"README.md", "first.nc", "first.png"}
    command.main(["--only", "first", "--redraw", "--out", str(again), "--format", "svg", "pdf"])
    for name in ("first.pdf", "first.svg"):
        assert (made / name).read_bytes() == (again / name).read_bytes()
    with pytest.raises(SystemExit):
        command.main(["--only", "first", "--format", "bmp"])


def test_the_same_seed_gives_the_same_files(figures, tmp_path):
    for folder in ("a", "b"):
        command.main(["--only", "first", "--rng", "3", "--out", str(tmp_path / folder)])
    command.main(["--only", "first", "--rng", "4", "--out", str(tmp_path / "c")])
    a, b, c = ((tmp_path / folder / "first.png").read_bytes() for folder in "abc")
    assert a == b
    assert a != c
    assert "--rng 3" in (tmp_path / "a" / "README.md").read_text()


def test_other_results_in_the_folder_are_passed_over(figures, tmp_path):
    storage.save(xr.Dataset({"y": 1.0}), tmp_path / "mine.nc")
    (tmp_path / "broken.nc").write_bytes(b"nothing")
    command.main(["--only", "first", "--out", str(tmp_path)])
    assert list(gallery.read_entries(tmp_path)) == ["first"]


def test_an_entry_survives_the_file():
    entry = gallery.Entry(
        name="x", title="t", source="s", caption="", device="cpu", quick=True, rng=7, seconds=1.5,
        findings=(Finding(claim="ü ± 1", ours="2", verdict="shown", note="n"),),
    )  # fmt: skip
    assert gallery.Entry.from_json(entry.to_json()) == entry
    assert json.loads(entry.to_json())["rng"] == 7
    assert entry.command == "python -m paper_scripts --only x --quick --rng 7"


def test_the_table_of_figures_is_sound():
    figures = command.all_figures()
    root = ROOT / "paper_scripts"
    files = [path for path in root.glob("*/*.py") if "SOURCE" in path.read_text()]
    assert len(figures) == len(files) >= 43  # no name twice
    for name, made in figures.items():
        assert name == made.name
        assert name.isidentifier()
        assert made.title
        assert made.source
        assert made.device in ("cpu", "gpu")
    assert {"variance_collapse", "lyapunov", "digits"} <= set(figures)
    papers = {folder.name for folder in root.iterdir() if (folder / "__init__.py").exists()}
    order = [path.parent.name for name in figures for path in root.glob(f"*/{name}.py")]
    assert list(dict.fromkeys(order)) == [
        "shumailov2024", "mad2024", "bertrand2024", "gillman2024", "dohmatob2024", "gerstgrasser2024",
        "ferbach2024", "sims2024", "dey2024", "suresh2025", "he2026", "vu2025", "garg2025", "neon2025",
        "falahati2026", "images", "own",
    ]  # fmt: skip
    assert papers == set(order)
    mad = [name for name in figures if name.startswith("mad_")]
    assert mad[:3] == ["mad_10_left", "mad_11", "mad_12"]
    assert [name for name in mad if figures[name].networks][:5] == [
        "mad_4_16", "mad_5", "mad_7", "mad_9", "mad_10_right",
    ]  # fmt: skip


def test_what_figures_share_is_used():
    """A module in a folder is a figure, or it is imported by one: none is left out for a missing SOURCE."""
    root = ROOT / "paper_scripts"
    texts = {path: path.read_text() for path in root.glob("*/*.py") if path.name != "__init__.py"}
    for path in texts:
        if "SOURCE" not in texts[path]:
            module = f"paper_scripts.{path.parent.name}.{path.stem} import"
            assert any(module in text for text in texts.values()), path


def test_numbers_are_written_to_the_digits_that_their_error_allows():
    assert with_error(12.23456, 0.0312) == "12.235 ± 0.031"
    assert with_error(-0.05331, 0.00073) == "-0.05331 ± 0.00073"
    assert with_error(1234.5, 12.0, "points") == "1234 ± 12 points"
    assert with_error(1234.5, 123.0) == "1230 ± 120"
    assert with_error(1.0, 0.0) == "1"
    assert with_error(2.0, float("nan")) == "2"


def test_verdicts_have_limits_on_both_sides():
    assert [agreement(z) for z in (4.9, -4.9, 5.1, -5.1, float("nan"))] == ["agrees"] * 2 + ["disagrees"] * 3
    verdicts = [holds(*clauses) for clauses in ([True], [1 > 0, False], [False], [False, False])]
    assert verdicts == ["reproduced", "partly reproduced", "not reproduced", "not reproduced"]
    with pytest.raises(ValueError, match=r"verdict='yes' is unknown; there are reproduced"):
        Finding(claim="", ours="", verdict="yes")


@pytest.mark.parametrize("count", [3, 5, 30])
def test_claims_of_no_change_are_tests_of_equivalence(count):
    """Few seeds never make such a claim come out: at the margin it does so in one run of forty."""
    rng, margin, runs = np.random.default_rng(0), 1.0, 20_000
    for gap in (margin, 2 * margin):
        values = gap + rng.standard_normal((runs, count))
        mean, error = values.mean(1), values.std(1, ddof=1) / np.sqrt(count)
        judged = [no_more(m, e, margin, count) for m, e in zip(mean, error, strict=True)]
        share, limit = judged.count("reproduced") / runs, 0.025
        bound = limit + 5 * np.sqrt(limit * (1 - limit) / runs)
        assert share < bound
        assert gap > margin or share > limit - 5 * np.sqrt(limit * (1 - limit) / runs)
    # The old rule, a gap within two standard errors, came out more often the fewer the seeds: rejected here.
    values = 2 * margin + 3 * rng.standard_normal((runs, 3))
    old = (values.mean(1) < 2 * values.std(1, ddof=1) / np.sqrt(3)).mean()
    assert old > 0.5


def test_equivalence_has_three_answers():
    assert no_more(0.1, 0.1, 1.0, 5) == "reproduced"
    assert no_more(0.9, 0.1, 1.0, 5) == "not reproduced"
    assert no_more(0.1, 1.0, 1.0, 5) == "not tested"
    assert no_more(-9.0, 1.0, 1.0, 5) == "reproduced"
    assert equivalence(-9.0, 1.0, 1.0, 5) == "not reproduced"
    assert equivalence(0.0, 0.1, 1.0, 5) == "reproduced"
    assert no_more(0.1, 0.0, 1.0, 1) == "reproduced"
    assert no_more(0.1, 0.01, 1.0, 1) == "not tested"
    assert combine(["reproduced", "not tested"]) == "partly reproduced"
    assert combine(["not tested", "not reproduced"]) == "not reproduced"
    assert combine(["not tested"] * 2) == "not tested"


def test_few_values_raise_the_limit():
    assert student_limit(5.0, float("inf")) == 5.0
    assert student_limit(2.0, 3) == pytest.approx(4.5265, abs=1e-3)
    assert student_limit(2.0, 1) == float("inf")
    assert agreement(5.5, count=10) == "agrees"
    assert agreement(5.5) == "disagrees"


def test_no_verdict_compares_us_with_ourselves_under_a_papers_name():
    """A number that the paper does not print is held against our theory, and says so."""
    for name, entry in gallery.read_entries(ROOT / "figures").items():
        for finding in entry.findings:
            assert "reference" not in finding.claim, name
            if "prints no number" in finding.claim:
                assert finding.verdict in ("agrees", "disagrees", "shown"), (name, finding.claim)


def test_the_gallery_holds_every_figure_as_its_module_says():
    """Nothing is forgotten after a change; figures that train networks may be missing."""
    held = gallery.read_entries(ROOT / "figures")
    figures = command.all_figures()
    for name, made in figures.items():
        if name not in held:
            assert made.networks, f"draw {name} at full size into figures/"
            continue
        entry = held[name]
        assert not entry.quick
        assert (entry.title, entry.source, entry.caption) == (made.title, made.source, made.caption), name
    assert set(held) <= set(figures)
    assert (ROOT / "figures" / "README.md").read_text() == gallery.compose_readme(held, list(figures))


@pytest.mark.parametrize("name", ["README.md", "first.nc", "first.png"])
def test_files_of_other_origin_are_not_replaced(name, figures, capsys, tmp_path):
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(SystemExit, match="2"):
        command.main(["--only", "first", "--out", str(tmp_path)])
    assert f"holds {name} from elsewhere" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {name: b"mine"}


def test_a_file_is_not_a_folder_for_figures(figures, capsys, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="2"):
        command.main(["--only", "first", "--out", str(tmp_path / "file")])
    assert "is not a folder to write into" in capsys.readouterr().err

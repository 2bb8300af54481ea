"""The command: options are the API's keywords, output is theory alongside simulation, errors are one line."""

import inspect
import re
import subprocess
import sys

import numpy as np
import pytest
from programs import run_program

import madtheory as mad
from madtheory import cli, regimes
from madtheory.cli import arguments as _arguments, command as _command, grids, tables as _table

COMMANDS = ("simulate", "predict", "sweep")
REGIMES = ("accumulate", "accumulate_subsample", "augment", "fresh", "replace")
SMALL = {
    "accumulate": "--n 20",
    "accumulate_subsample": "--n 20",
    "augment": "--n-real 10 --n-synthetic 20",
    "fresh": "--n-real 10 --n-synthetic 20 --n-initial 15",
    "replace": "--n 20",
}


@pytest.fixture
def run(capsys):
    """Run a command line; return exit code, standard output and standard error."""

    def command(line):
        code = cli.main(line.split() if isinstance(line, str) else line)
        return code, *capsys.readouterr()

    return command


@pytest.fixture
def works(run):
    """Run a command line that must succeed; return what it prints."""

    def command(line):
        code, out, err = run(line)
        assert code == 0, err
        return out

    return command


def cells(text, variable):
    """The rows of one variable's table: {generation: {column: number}}."""
    lines = iter(text.splitlines())
    next(line for line in lines if line.startswith(f"{variable} ("))
    header = re.split(r"\s{2,}", next(lines).strip())
    rows = {}
    for line in lines:
        if not line.strip():
            break
        numbers = dict(zip(header, line.split(), strict=False))
        generation = int(numbers.pop("generation"))
        rows[generation] = {name: float(value) for name, value in numbers.items()}
    return rows


# Options are the API's keywords ---------------------------------------------------------------------


def options_of(command, regime):
    interpreter = {"simulate": mad.simulate, "predict": mad.predict}[command]
    built = _arguments._subcommand(lambda **_: "", interpreter, getattr(regimes, regime))
    return inspect.signature(built).parameters, interpreter


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("command", ["simulate", "predict"])
def test_options_are_the_keywords_of_the_api(command, regime):
    options, interpreter = options_of(command, regime)
    of_regime = inspect.signature(getattr(regimes, regime)).parameters
    of_interpreter = dict(list(inspect.signature(interpreter).parameters.items())[1:])
    loop = {"bias", "real", "dim", "ddof", "known_mean"}
    assert set(options) == set(of_regime) | set(of_interpreter) | loop | {"out"}
    for name, keyword in {**of_regime, **of_interpreter}.items():
        assert options[name].default == keyword.default, name
    assert {"bias", "real"} <= set(inspect.signature(mad.Loop).parameters)
    assert {"ddof", "known_mean"} <= set(inspect.signature(mad.Gaussian).parameters)
    assert {"dim", "ddof", "known_mean"} <= set(inspect.signature(mad.theory.gaussian.fresh).parameters)


def test_every_regime_is_a_subcommand():
    functions = {name for name in regimes.__all__ if inspect.isfunction(getattr(regimes, name))}
    assert set(_arguments.constructors()) == functions == set(REGIMES)


def test_a_new_regime_needs_nothing_more(monkeypatch, works):
    def forgetful(*, n: int, memory: int = 3):
        """Remember a few models."""
        return regimes.Regime(n_initial=n, n_synthetic=n, memory=memory)

    monkeypatch.setattr(regimes, "forgetful", forgetful, raising=False)
    monkeypatch.setattr(regimes, "__all__", [*regimes.__all__, "forgetful"])
    assert "Remember a few models" in works("simulate --help")
    out = works("simulate forgetful --n 20 --generations 4 --rng 0 --metrics total_variance")
    assert out.startswith("custom, 100 replicates")
    assert np.isfinite([row["z"] for row in cells(out, "total_variance").values()]).all()


# Help -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["simulate", "predict"])
@pytest.mark.parametrize("regime", REGIMES)
def test_help_explains_every_option(works, command, regime):
    text = re.sub(r"[│\s]+", " ", works(f"{command} {regime} --help"))
    assert inspect.getdoc(getattr(regimes, regime)).split(".")[0].replace("`", "").split("\n")[0] in text
    options, _ = options_of(command, regime)
    for name, option in options.items():
        told = option.annotation.__metadata__[0].help
        assert len(told) > 15, name
        assert f"--{name.replace('_', '-')}" in text
        assert told in text


def test_help_teaches(works):
    text = works("--help")
    assert "A regime defines the data that each generation is trained on" in text
    assert set(REGIMES) <= set(re.findall(r"\w+", works("simulate --help")))
    examples = re.findall(
        r"^  madtheory (.+)$", text + "".join(works(f"{name} --help") for name in COMMANDS), re.M
    )
    assert len(examples) >= 5
    commands = {
        "demo": _command._demo,
        "page": _command._page,
        "simulate": _arguments.command(_command._simulate, mad.simulate, ""),
        "predict": _arguments.command(_command._predict, mad.predict, ""),
        "sweep": grids.sweep,
    }
    for example in examples:
        if not example.endswith("--help"):
            assert callable(_arguments.parse(commands, example.split(), ""))
    assert "--quick" in works("demo --help")


def test_version(works):
    assert works("--version") == f"madtheory {mad.__version__}\n"


# Simulate -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("regime", REGIMES)
def test_simulate_prints_theory_beside_simulation(works, regime):
    out = works(
        f"simulate {regime} {SMALL[regime]} --dim 2 --generations 6 --bias 0.9 --replicates 300 --rng 1"
    )
    loop = mad.Loop(
        real=mad.Gaussian.standard(2),
        model=mad.Gaussian(),
        regime=_regime(regime),
        bias=0.9,
    )
    simulated, predicted = mad.simulate(loop, 6, replicates=300, rng=1), mad.predict(loop, 6)
    assert f"{regime}, 300 replicates, method {simulated.attrs['method']}, seed 1" in out
    for variable in ("total_variance", "mean_error"):
        assert f"{variable} (exact mean)" in out
        rows = cells(out, variable)
        assert sorted(rows) == [1, 2, 3, 4, 6]
        for t, row in rows.items():
            draws = simulated[variable].sel(generation=t).values
            error = draws.std(ddof=1) / np.sqrt(len(draws))
            theory = float(predicted[variable].sel(generation=t))
            expected = [theory, draws.mean(), error, (draws.mean() - theory) / error]
            np.testing.assert_allclose(row["theory"], theory, rtol=1e-4)
            np.testing.assert_allclose(row["simulation"], expected[1], rtol=1e-4)
            np.testing.assert_allclose(row["std. error"], error, rtol=0.05)
            assert abs(row["z"] - expected[3]) < 0.06
            assert abs(row["z"]) < 5


def _regime(name):
    words = SMALL[name].replace("--", "").replace("-", "_").split()
    return getattr(regimes, name)(**dict(zip(words[::2], map(int, words[1::2]), strict=True)))


def test_a_wrong_theory_is_seen(monkeypatch, works):
    right = mad.predict

    def wrong(loop, generations):
        return right(loop, generations).map(lambda values: 1.05 * values, keep_attrs=True)

    monkeypatch.setattr(mad, "predict", wrong)
    out = works(
        "simulate fresh --n-real 50 --n-synthetic 50 --dim 10 --generations 5 --replicates 400 --rng 0"
    )
    assert max(abs(row["z"]) for row in cells(out, "total_variance").values()) > 5
    assert "|z| > 5" in out


def test_bounds_are_no_equalities(works):
    out = works("simulate replace --n 40 --dim 3 --generations 4 --replicates 200 --rng 0")
    assert "wasserstein2_squared (bound)" in out
    for row in cells(out, "wasserstein2_squared").values():
        assert set(row) == {"lower", "upper", "simulation", "std. error"}
        assert row["lower"] - 5 * row["std. error"] < row["simulation"]
        assert row["simulation"] < row["upper"] + 5 * row["std. error"]


def test_deviations_over_the_replicates(works):
    out = works("simulate replace --n 40 --generations 3 --replicates 500 --rng 0 --metrics total_variance")
    rows = cells(out, "total_variance_std")
    np.testing.assert_allclose(rows[1]["theory"], np.sqrt(2 / 39), rtol=1e-4)
    assert all(abs(row["z"]) < 5 for row in rows.values())


def test_collapse_is_explained(works):
    out = works(
        "simulate replace --n 20 --generations 300 --rng 0 --metrics total_variance log_total_variance"
    )
    assert "rare replicates carry the mean" in out
    assert "log_total_variance (no closed form)" in out


def test_singular_models(works):
    out = works("simulate replace --n 5 --dim 10 --generations 3 --rng 0 --metrics log_volume")
    assert all(row["simulation"] == row["theory"] == -np.inf for row in cells(out, "log_volume").values())


def test_one_replicate_has_no_error(works):
    out = works("simulate replace --n 20 --generations 3 --replicates 1 --rng 0 --metrics mean_error")
    assert all(set(row) == {"theory", "simulation"} for row in cells(out, "mean_error").values())


def test_quantiles(works):
    line = "simulate replace --n 20 --generations 3 --rng 0 --metrics total_variance --quantiles 0.1 0.9"
    out = works(line)
    loop = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=20))
    direct = mad.simulate(loop, 3, rng=0, metrics=[mad.metrics.total_variance], quantiles=[0.1, 0.9])
    printed = [list(row.values()) for row in cells(out, "total_variance").values()]
    np.testing.assert_allclose(printed, direct.total_variance.transpose("generation", "quantile"), rtol=1e-4)


def test_growing_sizes_and_record(works):
    out = works("simulate replace --n 10 20 40 --generations 3 --record 1 3 --rng 0 --metrics mean_error")
    rows = cells(out, "mean_error")
    assert sorted(rows) == [1, 3]
    np.testing.assert_allclose(rows[3]["theory"], 1 / 10 + 1 / 20 + 1 / 40, rtol=1e-4)
    assert works("simulate replace --n 10 --generations 5 --record last").count("\n  5 ") >= 4


def test_subcommands_take_hyphens_and_options_underscores(works):
    assert works("predict accumulate-subsample --n 20 --generations 2")
    assert works("predict fresh --n_real 20 --n-synthetic 20 --generations 2")


def test_known_mean_and_method(works):
    out = works(
        "simulate replace --n 20 --known-mean --method samples --generations 3 --rng 0 --metrics mean_error"
    )
    assert "method samples" in out
    assert all(row["simulation"] == row["theory"] == 0 for row in cells(out, "mean_error").values())


@pytest.mark.parametrize("ending", ["npy", "csv"])
def test_real_data_from_a_file(works, tmp_path, ending):
    points = np.random.default_rng(0).normal(size=(50, 2)) @ [[1, 0.5], [0, 2]]
    path = tmp_path / f"points.{ending}"
    np.save(path, points) if ending == "npy" else np.savetxt(path, points, delimiter=",")
    out = works(f"simulate augment --n-real 20 --n-synthetic 20 --generations 3 --real {path} --rng 0")
    np.testing.assert_allclose(
        cells(out, "total_variance")[1]["theory"], np.cov(points.T, ddof=0).trace(), rtol=1e-4
    )


def test_no_closed_form_still_simulates(monkeypatch, works):
    def none(loop, generations):
        raise mad.NoClosedForm("no closed form for this one.")

    monkeypatch.setattr(mad, "predict", none)
    out = works("simulate replace --n 20 --generations 3 --rng 0 --metrics total_variance")
    assert "no closed form for this one." in out
    assert set(cells(out, "total_variance")[1]) == {"simulation", "std. error"}


# Files ----------------------------------------------------------------------------------------------


def test_out_loads_back(works, run, tmp_path):
    path = tmp_path / "run.nc"
    line = (
        "simulate fresh --n-real 10 --n-synthetic 20 --n-initial 10 --bias 0.8 --dim 3 --generations 5 "
        "--replicates 40 --rng 7 --method statistics --ddof 1 --metrics total_variance mean_error "
        f"--out {path}"
    )
    first = works(line)
    assert first.endswith(f"Saved: {path}\n")
    loop = mad.Loop(
        real=mad.Gaussian.standard(3),
        model=mad.Gaussian(ddof=1),
        regime=regimes.fresh(n_real=10, n_synthetic=20, n_initial=10),
        bias=0.8,
    )
    metrics = [mad.metrics.total_variance, mad.metrics.mean_error]
    direct = mad.simulate(loop, 5, replicates=40, rng=7, method="statistics", metrics=metrics)
    loaded = mad.storage.load(path)
    assert loaded.equals(direct)
    assert {name: loaded.attrs[name] for name in direct.attrs} == direct.attrs
    assert works(line) == first
    code, out, err = run(line.replace("--rng 7", "--rng 8"))
    assert (code, out) == (2, "")
    assert "another run" in err


def test_out_without_a_seed_never_overwrites(works, run, tmp_path):
    line = f"simulate replace --n 20 --generations 2 --out {tmp_path / 'run.nc'}"
    works(line)
    before = mad.storage.load(tmp_path / "run.nc")
    assert run(line)[0] == 2
    assert mad.storage.load(tmp_path / "run.nc").identical(before)


def test_predict(works, tmp_path):
    path = tmp_path / "theory.nc"
    out = works(f"predict replace --n 40 --dim 3 --generations 1000 --bias 0.9 --out {path}")
    loop = mad.Loop(
        real=mad.Gaussian.standard(3), model=mad.Gaussian(), regime=regimes.replace(n=40), bias=0.9
    )
    predicted = mad.predict(loop, 1000)
    assert mad.storage.load(path).equals(predicted)
    table, notes = out.split("\n\n")[:2]
    generation, *rows = [line.split() for line in table.splitlines()]
    shown = [int(t) for t in generation[1:]]
    assert (shown[0], shown[-1]) == (1, 1000)
    assert [row[0] for row in rows] == list(predicted.data_vars)
    for name, *values in rows:
        expected = predicted[name].sel(generation=shown).values
        np.testing.assert_allclose(np.array(values, dtype=float), expected, rtol=1e-4, err_msg=name)
        note = next(line for line in notes.splitlines() if name in line.split(":")[0].split(", "))
        assert f": {predicted[name].attrs['kind']}. {predicted[name].attrs['source']}" in note


# The demonstration ----------------------------------------------------------------------------------


def test_demo(works, tmp_path):
    out = works(f"demo --quick --out {tmp_path / 'new' / 'folder'}")
    picture = tmp_path / "new" / "folder" / "madtheory_demo.png"
    assert out.endswith(f"{picture}\nThe same, moving: {picture.with_suffix('.gif')}\n")
    assert picture.with_suffix(".gif").is_file()
    assert picture.read_bytes().startswith(b"\x89PNG")
    for block in out.split("== ")[1:]:
        for variable in ("total_variance", "mean_error"):
            rows = cells(block, variable)
            assert max(rows) == 10
            assert all(abs(row["z"]) < 5 for row in rows.values())
    assert re.findall(r"== (\w+):", out) == ["replace", "augment", "fresh"]


def test_demo_picture_shows_the_collapse():
    from madtheory.cli.demo import digit_loops, draw_digits

    figure = draw_digits(digit_loops(), 30)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "fully synthetic",
        "synthetic augmentation",
        "fresh data",
    ]
    assert axes.get_xticklabels()[-1].get_text() == "generation 30"
    mosaic = axes.images[0].get_array().filled(0)
    last_column = mosaic[:, -(mosaic.shape[1] // len(axes.get_xticklabels())) :]
    contrast = [row.std() for row in np.array_split(last_column, 3)]
    assert contrast[0] < min(contrast[1:])


# Bad input ------------------------------------------------------------------------------------------

REPLACE = "simulate replace --generations 3 "
ERRORS = {
    "": ["demo", "simulate", "predict"],
    "bogus": ["bogus", "demo, page, simulate, predict"],
    "simulate": ["accumulate_subsample", "fresh"],
    "simulate bogus": ["bogus", "accumulate_subsample"],
    "simulate fresh --n-reel 3": ["--n-real", "--n-reel"],
    "simulate fresh": ["--n-real", "--n-synthetic", "--generations"],
    "simulate replace --n 10": ["--generations"],
    "simulate replace --n x --generations 3": ["--n", "'x'"],
    REPLACE + "--n 1.5": ["--n", "1.5"],
    REPLACE + "--n 0": ["n=0", "positive integer"],
    REPLACE + "--n": ["n", "0 generations"],
    REPLACE + "--n 10 20": ["n lists 2 generations", "generation 3"],
    REPLACE + "--n 1": ["n=1", "ddof"],
    REPLACE + "--n 10 --generations 0": ["generations=0"],
    REPLACE + "--n 10 --bias -1": ["bias=-1"],
    REPLACE + "--n 10 --bias nan": ["bias=nan"],
    REPLACE + "--n 10 --dim 0": ["dim=0"],
    REPLACE + "--n 10 --dim 10000000": ["dim=10000000", "too large"],
    REPLACE + "--n 1e400": ["n=1e400 is too large"],
    REPLACE + "--n 1.5": ["n=1.5 is not an integer"],
    REPLACE + "--n 10 --dim=nan": ["dim=nan is not an integer"],
    REPLACE + "--n 10 --rng 1e30": ["rng=1e30 is too large"],
    REPLACE + "--n 10 --dim 2 --real digits": ["dim=2", "real='digits'"],
    REPLACE + "--n 10 --real missing.csv": ["real='missing.csv'", ".npy or .csv"],
    REPLACE + "--n 10 --real missing.npy": ["real='missing.npy'", ".npy or .csv"],
    REPLACE + "--n 10 --ddof 2": ["ddof=2"],
    REPLACE + "--n 10 --rng -1": ["rng=-1"],
    REPLACE + "--n 10 --replicates 0": ["replicates=0"],
    REPLACE + "--n 10 --record 4": ["record=(4,)", "1 to 3"],
    REPLACE + "--n 10 --record never": ["--record", "never"],
    REPLACE + "--n 10 --quantiles 2": ["quantiles=(2.0,)"],
    REPLACE + "--n 10 --metrics nothing": ["nothing", "total_variance"],
    REPLACE + "--n 10 --method magic": ["--method", "magic"],
    REPLACE + "--n 10 --out missing_folder/run.nc": ["missing_folder"],
    REPLACE + "--n 10 --real digits --metrics effective_sample_size": ["effective_sample_size"],
    "simulate fresh --n-real 3 --n-synthetic 3 --generations 4 --weights 1": ["--weights"],
    "simulate fresh --n-real 3 --n-synthetic 3 --generations 4 --weights 0 1": ["weights=(0.0, 1.0)"],
    "simulate fresh --n-real 3 --n-synthetic 3 5 --generations 2": ["n_synthetic[0]=3"],
    "simulate accumulate-subsample --n 9 --generations 3 --weights 1 1": ["--weights"],
    "simulate accumulate-subsample --n 9 --generations 3 --method statistics": [
        "method='statistics'",
        "samples",
    ],
    "predict replace --n 10 --generations 3 --replicates 10": ["--replicates"],
    "predict replace --n 10 --generations 3 --out missing_folder/theory.nc": ["missing_folder"],
    "demo --out": ["--out"],
    "demo --slow": ["--slow"],
}


@pytest.mark.parametrize("line", ERRORS)
def test_bad_input_is_one_clear_line(run, line):
    code, out, err = run(line)
    assert (code, out) == (2, "")
    assert err.startswith("madtheory: error: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert not re.search(r"[│╭]|----|Traceback|\[/?bold|\.\. ", err)
    for fragment in ERRORS[line]:
        assert fragment in err


def test_bad_points(run, tmp_path):
    for content, fragment in (
        ("1,2\n3\n", "cannot be read"),
        ("1,nan\n2,3\n", "finite"),
        ("a,b\n", "cannot be read"),
    ):
        (tmp_path / "points.csv").write_text(content)
        code, _, err = run(f"{REPLACE} --n 10 --real {tmp_path / 'points.csv'}")
        assert code == 2
        assert fragment in err


def test_demo_needs_a_folder(run, tmp_path):
    (tmp_path / "taken").write_text("")
    code, _, err = run(f"demo --quick --out {tmp_path / 'taken'}")
    assert code == 2
    assert err.count("\n") == 1
    assert "taken" in err


def test_a_foreign_file_is_not_overwritten(run, tmp_path):
    path = tmp_path / "notes.nc"
    path.write_text("my notes")
    code, _, err = run(f"{REPLACE} --n 10 --rng 0 --out {path}")
    assert code == 2
    assert "notes.nc" in err
    assert path.read_text() == "my notes"


def test_files_are_not_lost(works, run, tmp_path):
    """A simulation is not overwritten by theory, nor theory by another one; endings are what they say."""
    path, size = tmp_path / "run.nc", "replace --n 10 --generations 3"
    works(f"simulate {size} --rng 0 --replicates 5 --out {path}")
    before = path.read_bytes()
    code, _, err = run(f"predict {size} --out {path}")
    assert code == 2
    assert "holds something else" in err
    assert path.read_bytes() == before
    theory = tmp_path / "theory.nc"
    first = works(f"predict {size} --out {theory}")
    assert works(f"predict {size} --out {theory}") == first
    assert run(f"predict {size} --bias 0.5 --out {theory}")[0] == 2
    for command in ("simulate", "predict"):
        table = tmp_path / f"{command}.csv"
        works(f"{command} {size} --out {table}")
        text = table.read_text()
        assert "total_variance" in text.splitlines()[0]
        assert run(f"{command} {size} --out {table}")[0] == 2
        assert table.read_text() == text
        code, _, err = run(f"{command} {size} --out {tmp_path / 'run.h5'}")
        assert code == 2
        assert "known endings are .nc (netCDF) and .csv" in err


def test_only_the_variables_asked_for_are_predicted(works):
    out = works("predict replace --n 40 --generations 3 --variables mean_error")
    assert [line.split()[0] for line in out.splitlines()[:2]] == ["generation", "mean_error"]
    assert "total_variance" not in out


def test_the_run_comes_before_its_theory(monkeypatch, works, tmp_path):
    seen, right = [], mad.predict

    def predict(loop, generations):
        seen.append(((tmp_path / "run.nc").exists(), generations))
        return right(loop, generations)

    monkeypatch.setattr(mad, "predict", predict)
    line = "simulate replace --n 50 --generations 3000 --replicates 2 --rng 0 --metrics total_variance"
    out = works(f"{line} --out {tmp_path / 'run.nc'}")
    assert seen == [(True, 2000)]
    assert "Theory is computed up to generation 2000" in out


def test_whole_numbers_and_the_module(works, run):
    plain = works("predict replace --n 1000 --generations 10")
    assert works("predict replace --n 1e3 --generations 1e1") == plain
    assert works("predict replace --n 1_000 --generations=10") == plain
    for line, wanted in (
        ("predict replace --n 10 --generation 3", "--generations"),
        ("predict replace --n 99999999999999999999 --generations 3", "is too large"),
        ("predict replace --n 1.5e0 --generations 3", "n=1.5e0 is not an integer"),
    ):
        code, out, err = run(line)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert wanted in err
    told = subprocess.run(
        [sys.executable, "-m", "madtheory", "--version"], capture_output=True, text=True, check=True
    )
    assert told.stdout == f"madtheory {mad.__version__}\n"


def test_interruption(monkeypatch, run):
    def stop(loop, generations, *, variables=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(mad, "predict", stop)
    assert run("predict replace --n 10 --generations 3") == (130, "", "madtheory: interrupted\n")


# As a process ---------------------------------------------------------------------------------------


def test_import_is_light_and_a_closed_pipe_is_no_error():
    script = (
        "import sys, madtheory.cli\n"
        "heavy = {'scipy.stats', 'sklearn', 'matplotlib', 'xarray', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "sys.exit(madtheory.cli.main('predict replace --n 10 --generations 3'.split()))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), errors) == (1, "")


# Tables ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("generations", "shown"),
    [([1], [1]), (range(1, 4), [1, 2, 3]), ([5, 10], [5, 10]), (range(1, 65), [1, 2, 4, 8, 16, 32, 64])],
)
def test_spread_out(generations, shown):
    assert _table.spread_out(generations) == shown


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("simulat", "simulate"),
        ("predict replac --n 3", "replace"),
        ("simulate accumulate-subsampl", "accumulate_subsample"),
    ],
)
def test_a_misspelt_command_or_regime_is_suggested(words, meant, capsys):
    assert cli.main(words.split()) == 2
    assert f"Did you mean {meant}?" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["simulate replace --replicates 50", "predict replace"])
def test_a_csv_file_that_cannot_be_completed_is_not_left_behind(command, tmp_path):
    script = (
        "import resource, signal, sys\n"
        "from madtheory import cli\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    arguments = [*command.split(), "--n", "10", "--generations", "30", "--out", str(tmp_path / "table.csv")]
    done = run_program(script, *arguments)
    assert done.returncode == 2
    assert "could not be written" in done.stderr
    assert list(tmp_path.iterdir()) == []


# sweep ----------------------------------------------------------------------------------------------


SWEEP = "sweep --over bias=0.5:1:3 --over n_synthetic=log:10:1000:3 --rng 0 --replicates 20 --n-jobs 1"


def test_sweep_prints_the_effective_ratio_and_draws_it(works, tmp_path):
    out = works(f"{SWEEP} --over dim=10 --plot {tmp_path}/phase.png --out {tmp_path}/phase.nc")
    assert "fresh, 9 cells, seed 0" in out
    assert (tmp_path / "phase.png").stat().st_size > 5000
    saved = mad.storage.load(tmp_path / "phase.nc")
    assert saved["n_synthetic"].values.tolist() == [10, 100, 1000]
    limit = mad.theory.gaussian.effective_sample_size(n_real=100, n_synthetic=1000, bias=0.5, dim=10)
    ratio = float(saved["effective_ratio"].sel(bias=0.5, n_synthetic=1000))
    assert ratio == pytest.approx(float(np.asarray(limit)) / 100, rel=0.2)
    row = next(line for line in out.splitlines() if line.strip().startswith("0.5 "))
    assert float(row.split()[-1]) == pytest.approx(ratio, rel=1e-3)


def test_sweep_continues_in_its_store_and_plans(works, run, tmp_path):
    first = works(f"{SWEEP} --store {tmp_path}/cells --theory")
    assert works(f"{SWEEP} --store {tmp_path}/cells --theory") == first
    assert "9 cells, 9 of them finished" in works(f"{SWEEP} --store {tmp_path}/cells --theory --plan")
    no_seed = SWEEP.replace("--rng 0 ", "")
    assert "store needs rng" in run(f"{no_seed} --store {tmp_path}/cells")[2]


@pytest.mark.parametrize(
    ("line", "message"),
    {
        "--over bais=1": "over='bais=1' is not a coordinate of regime fresh",
        "--over bias=x": "over=bias=x is not a value, a list",
        "--over bias=log:0:1:3": "is not a value, a list",
        "--over bias=1 --plot phase.txt": "known endings are .png",
        "--over bias=1 --metrics nothing": "metrics='nothing' is unknown",
        "--over bias=1 --variable nothing --n-jobs 1": "variable='nothing' is unknown; there are",
        "--over bias=-1": "bias=-1",
    }.items(),
)
def test_sweep_refuses_in_one_line(run, line, message):
    code, out, err = run(f"sweep {line}")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1

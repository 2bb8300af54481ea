"""The page: one file that loads nothing, the numbers that it holds, its settings, and its command."""

import base64
import contextlib
import hashlib
import io
import itertools
import json
import re

import numpy as np
import pytest
from scripts_in_node import needs_node, run_node

from madtheory import cli
from madtheory.files import StorageError
from madtheory.page import assemble, effective_ratios, write_page
from madtheory.page.assembly import baked, digits
from madtheory.page.phase import BIASES, DIMENSIONS, SIZES, effective_ratio


@pytest.fixture(scope="module")
def page():
    return assemble()


def test_it_is_small_and_loads_nothing(page):
    assert len(page.encode()) < 500_000
    assert not re.search(
        r"""(?:src|href)\s*=|@import|url\(|\bfetch\(|XMLHttpRequest|https?://""",
        page.split("<script type")[0],
    )
    assert "http" not in page.replace("http-equiv", "")
    assert "{{" not in page


def test_its_policy_admits_its_own_script_and_style_alone(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; ")
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        text = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{rule} 'sha256-{digest}'" in policy


def test_the_numbers_are_those_of_python(page):
    held = json.loads(re.search(r'id="baked">(.*?)</script>', page, re.DOTALL)[1])
    assert held == json.loads(json.dumps(baked()))
    assert held["digits"]["spectrum"] == pytest.approx(
        [179.0, 163.7, 141.8, 101.1, 69.5, 59.1, 51.9, 44.0, 40.3, 37.0, 28.5, 27.3], abs=0.06
    )


def test_the_map_is_that_of_the_theory():
    """Cells at random, each computed again; those next to it differ, so that a shift would be seen."""
    ratios, draw = effective_ratios(), np.random.default_rng(0)
    assert set(ratios) == {str(dim) for dim in DIMENSIONS}
    seen = []
    for _ in range(60):
        dim, k = int(draw.choice(DIMENSIONS)), int(draw.integers(len(BIASES)))
        i, j = (int(place) for place in draw.integers(len(SIZES), size=2))
        stored = ratios[str(dim)][k]
        assert len(stored) == len(SIZES) ** 2
        value = effective_ratio(n_real=SIZES[i], n_synthetic=SIZES[j], bias=BIASES[k], dim=dim)
        assert abs(stored[len(SIZES) * i + j] - value) <= 1
        seen.append(abs(stored[len(SIZES) * j + i] - value) <= 1)
    assert np.mean(seen) < 0.3


def test_digits_are_recognizable():
    """Twelve components hold four fifths of the variance; the pictures are close to the pixels."""
    from sklearn.datasets import load_digits

    pixels, held = load_digits().data, digits()
    axes = np.array(held["axes"])
    np.testing.assert_allclose(axes @ axes.T, np.eye(len(axes)), atol=5e-3)
    assert sum(held["spectrum"]) > 0.78 * pixels.var(0).sum()
    shown = np.array(held["mean"]) + np.array(held["points"]) @ axes
    nearest = [
        np.abs(load_digits().target[((pixels - one) ** 2).sum(1).argmin()] - k) for k, one in enumerate(shown)
    ]
    assert sum(apart == 0 for apart in nearest) >= 9


# Settings ---------------------------------------------------------------------------------------------

GENERATORS, REGIMES = ("line", "plane", "tokens", "digits"), ("replace", "augment", "accumulate", "fresh")
TREATMENTS = ("none", "weights", "correct")


def settings(generator, regime, treatment, **others):
    given = {"generator": generator, "regime": regime, "treatment": treatment, "real": 40, "synthetic": 63}
    return given | {"bias": 0.9, "seed": 3} | others


@needs_node
def test_links_keep_settings():
    every = [
        settings(*one, seed=k) for k, one in enumerate(itertools.product(GENERATORS, REGIMES, TREATMENTS))
    ]
    every = run_node("given.map((one) => Settings.clean(one, baked))", every)
    assert run_node("given.map((one) => Settings.fromHash(Settings.toHash(one), baked))", every) == every
    assert len({json.dumps(one) for one in every}) == len(every)
    hostile = [
        "",
        "#",
        "#real=x&bias=NaN&regime=__proto__&seed=-4",
        "#real=1e999&generator=<b>",
        "#treatment=weights",
    ]
    for one in run_node("given.map((hash) => Settings.fromHash(hash, baked))", hostile):
        assert one["regime"] in REGIMES
        assert one["generator"] in GENERATORS
        assert one["real"] in SIZES
        assert one["bias"] in BIASES
        assert 0 <= one["seed"] < 2**31
        assert one["treatment"] == "none"
    low = run_node("Settings.clean(given, baked)", settings("digits", "fresh", "none", real=5, synthetic=5))
    assert (low["real"], low["synthetic"]) == (16, 16)


@needs_node
@pytest.mark.parametrize("generator", GENERATORS)
def test_the_python_code_runs_the_loop_of_the_page(generator):
    """All regimes and treatments: six lines that run, with theory equal to the page's."""
    cases = [
        settings(generator, regime, treatment)
        for regime, treatment in itertools.product(REGIMES, TREATMENTS)
        if (regime, treatment) != ("replace", "weights")
    ]
    found = run_node(
        "given.map((one) => Settings.clean(one, baked)).map((one) => [Settings.toPython(one, baked), "
        "Engine.moments(Settings.toLoop(one, baked), 50).variance, Settings.toLoop(one, baked)])",
        cases,
    )
    for code, variance, loop in found:
        assert code.count("\n") == 5
        scope, printed = {}, io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(re.sub(r"replicates=\d+", "replicates=3", code), scope)
        name = "heterozygosity" if generator == "tokens" else "total_variance"
        law = np.array(loop.get("probabilities", ()))
        scale = law @ (1 - law) if law.size else sum(loop["spectrum"])
        predicted = scope["mad"].predict(scope["loop"], 50)
        np.testing.assert_allclose(scale * np.array(variance), predicted[name], rtol=1e-9, err_msg=code)
        lines = printed.getvalue().splitlines()
        assert len(lines) == 52
        assert lines[0].split() == ["theory", "simulation", "z"]


# The command ------------------------------------------------------------------------------------------


def test_the_command_writes_it(tmp_path, capsys, page):
    assert cli.main(["page", "--out", str(tmp_path / "page.html")]) == 0
    assert "in a browser" in capsys.readouterr().out
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page


def test_what_cannot_be_written_is_refused(tmp_path, capsys):
    with pytest.raises(ValueError, match=r"page.pdf' ends in '.pdf'; the page is HTML"):
        write_page(tmp_path / "page.pdf")
    with pytest.raises(StorageError, match="there is no folder"):
        write_page(tmp_path / "none" / "page.html")
    assert cli.main(["page", "--out", str(tmp_path / "page")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())

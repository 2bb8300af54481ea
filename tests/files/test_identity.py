"""Identity by content: what changes numbers changes the digest, and nothing else does."""

import dis
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager
from functools import cached_property, lru_cache, partial
from pathlib import Path

import numpy as np
import pytest

import madtheory as mad
from madtheory import metrics, regimes, storage
from madtheory.files.identity import identify
from madtheory.storage import identity

ROOT = Path(mad.__file__).parents[1]


def made(source, name="f"):
    """The object that a piece of source defines, in a module of its own."""
    space = {"__name__": "written_by_a_user", "np": np}
    exec(compile(textwrap.dedent(source), "somewhere.py", "exec"), space)
    return space[name]


SHARE = """
RADIUS = 0.1
def far(x):
    return abs(x) > RADIUS
def f(x, power=2, *, sign=1):
    values = [far(y) ** power for y in x]
    try:
        return sign * sum(values) / len(values)
    except ZeroDivisionError:
        return 0.0
"""

SAME = {
    "comments": SHARE.replace("    values", "    # a comment\n\n    values"),
    "a docstring": SHARE.replace("    values", '    """Words."""\n    values', 1),
    "a docstring of a helper": SHARE.replace("    return abs", '    """Words."""\n    return abs'),
    "other lines": "\n\n\n" + SHARE,
    "annotations": SHARE.replace("def far(x)", "def far(x: 'float') -> 'bool'"),
    "something else in the module": SHARE + "\ndef unrelated():\n    return 7\n",
}
OTHER = {
    "a constant of the module": SHARE.replace("0.1", "0.5"),
    "a helper": SHARE.replace("> RADIUS", ">= RADIUS"),
    "a constant inside": SHARE.replace("0.0", "1.0"),
    "a default": SHARE.replace("power=2", "power=3"),
    "a default by keyword": SHARE.replace("sign=1", "sign=-1"),
    "an operation": SHARE.replace("sign * sum", "sign + sum"),
    "a name": SHARE.replace("abs(x)", "float(x)"),
    "inside a comprehension": SHARE.replace("for y in x", "for y in x[1:]"),
    "the name of an argument": SHARE.replace("sum(values)", "sum(values, start=0)"),
    "what is caught": SHARE.replace("ZeroDivisionError", "ValueError"),
}


@pytest.mark.parametrize("edit", SAME)
def test_words_do_not_count(edit):
    assert identity(made(SAME[edit])) == identity(made(SHARE))


@pytest.mark.parametrize("edit", OTHER)
def test_code_counts_wherever_it_is(edit):
    assert OTHER[edit] != SHARE
    assert identity(made(OTHER[edit])) != identity(made(SHARE))


def test_the_name_that_an_argument_is_given_by_counts():
    """As a constant of the code, which dis of Python 3.11 does not look up."""
    one, other = (made(f"def f(x):\n    return np.var(x, {name}=0)\n") for name in ("axis", "ddof"))
    assert identity(one) != identity(other)
    assert identity(one) == identity(made("def f(x):\n    return np.var(x, axis=0)\n"))


def within(radius):
    return lambda x: abs(x) < radius


class Model:
    scale = 1.0

    def __init__(self, size):
        self.size = size

    def fit(self, data):
        return self.helped(data) * self.scale

    def helped(self, data):
        return data + 1

    @property
    def area(self):
        return self.size**2

    @cached_property
    def kept(self):
        return self.size + 1


def test_closures_partials_methods_and_instances():
    digests = [
        identity(value)
        for value in (
            within(0.1), within(0.5), partial(within, 0.1), partial(within, 0.5), partial(within, radius=0.1),
            Model(1), Model(2), Model(1).fit, Model(2).fit, Model, lru_cache(within), np.abs, np.negative,
            [].append, [1].append, abs, 0.0, -0.0, 1, 1.0, True, "1", b"1", (1,), [1], {1}, {1: 1}, None,
            np.array([1, 2]), np.array([1.0, 2.0]), np.array([1, 2], dtype=np.int32), np.array([[1, 2]]),
            np.float32(0.1), 0.1, float("nan"), range(3), slice(3),
        )
    ]  # fmt: skip
    assert len(set(digests)) == len(digests)
    assert identity(within(0.1)) == digests[0]
    assert identity(Model(1)) == digests[5]


def test_equal_spellings_are_equal():
    assert identity({"a": 1, "b": 2}) == identity({"b": 2, "a": 1})
    assert identity(np.float64(0.1)) == identity(0.1)
    assert identity(np.int64(3)) == identity(3)
    assert identity(np.ones((2, 3), order="F")) == identity(np.ones((2, 3)))
    shared = np.ones(2)
    assert identity([shared, shared]) == identity([np.ones(2), np.ones(2)])
    model = Model(3)
    before = identity(model)
    assert model.kept == 4
    assert identity(model) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [("fit", lambda self, data: data), ("helped", lambda self, data: data + 2), ("scale", 2.0)],
)
def test_methods_of_classes_count(monkeypatch, name, value):
    before = [identity(value) for value in (Model(1), Model(1).fit, Model)]
    monkeypatch.setattr(Model, name, value)
    assert not set(before) & {identity(value) for value in (Model(1), Model(1).fit, Model)}


def test_functions_that_call_each_other_or_themselves():
    pair = "def f(n):\n    return n and g(n - 1)\ndef g(n):\n    return n and f(n - {})\n"
    assert identity(made(pair.format(1))) == identity(made(pair.format(1)))
    assert identity(made(pair.format(1))) != identity(made(pair.format(2)))
    assert identity(made(pair.format(1), "f")) != identity(made(pair.format(1), "g"))
    held = []
    held.append(held)
    assert identity(held) == identity(held)


def test_state_that_code_reassigns_is_not_part_of_it():
    f = made("CALLS = 0\ndef f(x):\n    global CALLS\n    CALLS += 1\n    return x\n")
    before = identity(f)
    f(1)
    assert identity(f) == before


@pytest.mark.parametrize(
    ("held", "changed"),
    [("R = {}", "global R\n    R = r"), ("R = [{}]", "R[0] = r"), ("R = {{0: {}}}", "R.update({0: r})")],
)
def test_a_setting_that_other_code_changes_counts(held, changed):
    """State is what the code changes that is told, not what somebody else sets it to."""
    of = "R" if held == "R = {}" else "R[0]"
    source = f"{held.format(1)}\ndef set_to(r):\n    {changed}\ndef f(x):\n    return {of} * x\n"
    f = made(source)
    before = identity(f)
    f.__globals__["set_to"](2)
    assert f(1) == 2
    assert identity(f) != before
    f.__globals__["set_to"](1)
    assert identity(f) == before
    # The same through a helper, and with the code that changes it reached from the function: a cache.
    cache = made(source + "def g(x):\n    set_to(x)\n    return f(x)\n", "g")
    before = identity(cache)
    cache(5)
    assert identity(cache) == before


@pytest.mark.parametrize(
    "fill",
    ["KEPT[x] = x", "KEPT.setdefault(x, x)", "KEPT[x, x + 1] = 3", "KEPT[str(x)] = [x]", "KEPT.update(a=x)"],
)
@pytest.mark.parametrize("closure", [False, True])
def test_a_cache_that_code_fills_is_not_part_of_it(fill, closure):
    source = f"KEPT = {{}}\ndef f(x):\n    {fill}\n    return x\n"
    if closure:
        inner = textwrap.indent(source, "    ")
        source = f"def made():\n{inner}    return f\nf = made()\n"
    f = made(source)
    before = identity(f)
    f(1)
    assert identity(f) == before
    read = made("KEPT = {1: 2}\ndef f(x):\n    return KEPT[x]\n")
    assert identity(read) != identity(made("KEPT = {1: 3}\ndef f(x):\n    return KEPT[x]\n"))


def test_imports_inside_functions_are_followed(monkeypatch):
    sources = [
        "def f():\n    from madtheory.regimes import replace\n    return replace(n=3)",
        "def f():\n    import madtheory as m\n    return m.regimes.replace(n=3)",
        "def f():\n    from madtheory import regimes as r\n    return [r.replace(n=k) for k in (1, 2)]",
        "import madtheory.regimes as r\ndef f():\n    return lambda: r.replace(n=3)",
    ]
    before = [identity(made(source)) for source in sources]
    other = "def f():\n    from madtheory.regimes import augment\n    return augment(n_real=3)"
    unrelated = identity(made(other))
    monkeypatch.setattr(regimes, "replace", made("def f(*, n):\n    return n"))
    after = [identity(made(source)) for source in sources]
    assert not set(before) & set(after)
    assert unrelated == identity(made(other))


def test_instructions_on_two_names_are_two_instructions():
    """As Python 3.13 has them: on an older one the test above meets none."""
    from madtheory.files.identity import _split_names

    one = next(dis.get_instructions(lambda x: x))
    two = one._replace(opname="STORE_FAST_LOAD_FAST", argval=("k", "r"))
    assert [(i.opname, i.argval) for i in _split_names(two)] == [("STORE_FAST", "k"), ("LOAD_FAST", "r")]
    assert _split_names(one) == [one]


def test_what_has_no_identity_is_refused(tmp_path):
    generator = np.random.default_rng(0)
    own = np.frompyfunc(lambda x: x + 1, 1, 1)  # its name says nothing of what it computes
    assert identity(lambda x: np.sin(x)) != identity(lambda x: np.cos(x))
    with open(tmp_path / "file", "w") as file:
        for held in (file, own, (x for x in [1]), generator, sys._getframe()):

            def f(x, held=held):
                return x, held

            with pytest.raises(ValueError, match=r"has no identity by content|random generator whose state"):
                identity(f)


def test_a_lock_has_no_content():
    f = made("def f(x):\n    with LOCK:\n        return x\n")
    digests = set()
    for lock in (threading.Lock(), threading.Lock(), threading.RLock()):
        f.__globals__["LOCK"] = lock
        digests.add(identity(f))
    assert len(digests) == 1


@contextmanager
def scaled(factor):
    yield factor


def test_a_context_around_a_function_counts_by_what_makes_it():
    """As a decorator: the generator in it is made anew in each call, and is not content."""

    def wrapped(factor, power):
        return scaled(factor)(lambda x: x**power)

    digests = [identity(wrapped(*values)) for values in ((1, 2), (2, 2), (1, 3))]
    assert len(set(digests)) == 3
    assert identity(wrapped(1, 2)) == digests[0]


def test_what_stands_for_a_value():
    """A part that does not count, and another that is known by less than its content."""

    def instead(value):
        return ("an array", len(value)) if isinstance(value, np.ndarray) else value

    def of(array, power=2):
        return identify(lambda x: (x + array) ** power, instead).digest

    assert of(np.zeros(3)) == of(np.ones(3))
    assert len({of(np.zeros(3)), of(np.zeros(4)), of(np.zeros(3), 3)}) == 3


def test_metrics_of_samples_are_known_by_their_settings():
    points = np.random.default_rng(0).normal(size=(50, 2))

    def one(**changes):
        settings = {"reference": points, "n": 20, "features": within(1.0)} | changes
        return identity(metrics.on_samples(metrics.frechet_distance, **settings))

    changes = [
        {}, {"n": 21}, {"reference": points + 1}, {"features": within(2.0)}, {"features": None},
        {"bias": 0.5}, {"rng": 1},
    ]  # fmt: skip
    digests = [one(**change) for change in changes]
    assert len(set(digests)) == len(digests)
    assert [one(**change) for change in changes] == digests


SCRIPT = """
import sys
from simulations import curated_networks
from madtheory.storage import identity
print(identity(curated_networks._planar))
print("madtheory.models.mixture" in sys.modules)
"""


def printed(folder, seed):
    environment = os.environ | {
        "PYTHONPATH": str(folder),
        "PYTHONHASHSEED": str(seed),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()


def test_an_experiment_is_known_by_all_that_it_reaches_and_by_nothing_else(tmp_path):
    pytest.importorskip("torch")
    ignored = shutil.ignore_patterns("__pycache__")
    for package in ("madtheory", "simulations"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    from simulations import curated_networks

    original = identity(curated_networks._planar)

    def edited(file, old, new):
        path = tmp_path / "madtheory" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    # Elsewhere on the disk, with comments, other docstrings, and other code in a model that is not used.
    edited("treatments/curation.py", "import annotations\n", "import annotations\n\n# A comment.\n\n")
    edited(
        "treatments/curation.py", '"""Draw points that are accepted', '"""Draw all points that are accepted'
    )
    edited(
        "models/mixture.py", "def fit(self,", "def untouched(self):\n        return 1\n\n    def fit(self,"
    )
    # In a process with nothing else in memory, as in this one.
    assert printed(tmp_path, 2) == [original, "True"]
    # One operation of what is used, three imports away.
    edited("treatments/curation.py", "groups.argmax(-1) + k *", "groups.argmin(-1) + k *")
    assert printed(tmp_path, 3)[0] != original


def test_identity_of_a_small_loop_is_light():
    code = (
        "import sys, madtheory as mad; from madtheory import regimes, storage;"
        "storage.identity(mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(),"
        "regime=regimes.replace(n=5)));"
        "print([m for m in ('torch', 'sklearn', 'scipy.stats', 'xarray') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_identity_is_public():
    assert "identity" in storage.__all__

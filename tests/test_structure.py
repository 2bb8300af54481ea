"""The shape of the package: layers, light import, frozen public names, documented modules."""

import ast
import doctest
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import madtheory as mad
from madtheory import testing

ROOT = Path(mad.__file__).parents[1]
PACKAGE = ROOT / "madtheory"
MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted(
    path for folder in ("simulations", "paper_scripts") for path in (ROOT / folder).rglob("*.py")
)
API = "public API"


def relative(path):
    return str(path.relative_to(ROOT))


def imported(path):
    """Names of imported modules; those under TYPE_CHECKING do not count, those inside functions do."""
    tree, names = ast.parse(path.read_text()), set()
    unused = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    package = list(path.relative_to(ROOT).with_suffix("").parts)[:-1]
    for node in ast.walk(tree):
        if id(node) in unused:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            inside = module in ("madtheory", "madtheory.theory", "simulations")
            names |= {f"{module}.{alias.name}" for alias in node.names} if inside else {module}
    return names


def component(name):
    """The part of the package a dotted name belongs to."""
    parts = name.split(".")
    return API if len(parts) == 1 else parts[1]


PUBLIC = {API, *mad.__all__, "images", "networks", "testing", "plotting", "cli", "sweeps"}


def lint_imports(folder):
    """Hold a copy of the project to the contracts of its pyproject.toml."""
    pytest.importorskip("importlinter")
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)


def test_floors_faces_and_circles():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("models/gaussian.py", "from madtheory.core import Loop", "Each floor stands on those below it"),
        ("theory/labels.py", "from madtheory.data import Moments", "Theory knows numbers and regimes alone"),
        (
            "metrics/discrete.py",
            "from madtheory.core.loop import Loop",
            "The room core is entered by its face",
        ),
        ("theory/gaussian/spectra.py", "from madtheory.theory.gaussian import wasserstein", "No circles"),
        ("loose.py", "", "Each floor stands on those below it"),
    ],
)
def test_a_wrong_import_is_seen(tmp_path, module, line, broken):
    """Negative control: inside a function, for the type checker alone, of a module without a floor."""
    for name in ("madtheory", "simulations", "paper_scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "madtheory" / module
    hidden = f"\n\ndef f():\n    {line}\n" if "discrete" in module else f"\nif TYPE_CHECKING:\n    {line}\n"
    path.write_text((path.read_text() if path.exists() else '"""Loose."""\n') + (hidden if line else ""))
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert f"{broken} BROKEN" in done.stdout


@pytest.mark.parametrize("path", sorted((PACKAGE / "theory").rglob("*.py")), ids=relative)
def test_theory_is_numpy_and_scipy_only(path):
    foreign = {name.split(".")[0] for name in imported(path)} - set(sys.stdlib_module_names)
    assert foreign <= {"numpy", "scipy", "madtheory"}


@pytest.mark.parametrize("path", SCRIPTS, ids=relative)
def test_scripts_use_the_public_api(path):
    names = imported(path)
    ours = {component(name) for name in names if name.split(".")[0] == "madtheory"}
    assert ours <= PUBLIC | {"models"}, f"{relative(path)} imports {sorted(ours)}"
    if path.is_relative_to(ROOT / "simulations"):
        tops = {name.split(".")[0] for name in names}
        assert not tops & {"matplotlib", "paper_scripts"}
        assert "plotting" not in ours


HEAVY = [
    "torch", "matplotlib", "xarray", "pandas", "sklearn", "scipy.stats", "netCDF4", "hypothesis",
    "joblib", "tyro",
]  # fmt: skip


def test_import_is_light():
    told = f"print([m for m in {HEAVY} if m in sys.modules])"
    code = f"import sys, madtheory; {told}; import xarray; {told}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    light, control = done.stdout.splitlines()
    assert light == "[]"
    assert "xarray" in control


FROZEN = {
    "madtheory": [
        "Categorical", "Estimator", "Gaussian", "KernelDensity", "Loop", "Mixture", "NoClosedForm",
        "Snapshot", "compare", "data", "iterate", "metrics", "models", "predict", "regimes", "simulate",
        "sources", "start", "step", "storage", "theory", "treatments", "types",
    ],
    "madtheory.regimes": [
        "Mix", "Regime", "accumulate", "accumulate_subsample", "augment", "fresh", "replace",
    ],
    "madtheory.data": [
        "Counts", "Empirical", "Moments", "Weighted", "first", "join", "size", "subsample", "weighted",
    ],
    "madtheory.metrics": [
        "DEFAULT", "class_shares", "class_variance", "cramer_von_mises", "defaults", "density_coverage",
        "effective_sample_size", "frechet_distance", "kl_divergence", "log_total_variance",
        "log_volume", "maximum_mean_discrepancy", "mean_error", "mode_coverage",
        "negative_log_likelihood", "on_samples", "precision_recall", "reverse_kl_divergence",
        "sliced_wasserstein", "total_variance", "variance_by_class", "wasserstein1",
        "wasserstein2_squared",
    ],
    "madtheory.sources": [
        "Law", "digits", "eight_gaussians", "grid25", "rings", "rosenbrock", "two_moons",
    ],
    "madtheory.types": [
        "Array", "ExactlySampled", "GenerativeModel", "Metric", "RandomState", "Size", "Source", "Treatment",
        "Weights",
    ],
    "madtheory.testing": [
        "REGIMES", "Cycling", "Growing", "Moving", "assert_agrees", "assert_mean_matches",
        "assert_rate_matches",
        "check_generative_model", "gaussians", "loops", "power", "regimes", "sizes", "smallest_detectable",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", FROZEN)
def test_public_names_stay(name):
    """A name that is public once stays; new ones need no entry here until they are released."""
    module = importlib.import_module(name)
    assert set(FROZEN[name]) <= set(module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, public) for public in module.__all__)


def test_promised_theory_exists():
    promised = {
        "replace", "augment", "accumulate", "accumulate_subsample", "fresh", "variance_law",
        "lyapunov_spectrum", "half_life", "hitting_time", "stationary", "effective_sample_size",
        "admissible_n_synthetic",
    }  # fmt: skip
    assert promised <= set(mad.theory.gaussian.__all__)
    assert len(set(mad.theory.gaussian.__all__)) == len(mad.theory.gaussian.__all__)


def test_protocols_describe_the_gaussian():
    from madtheory.types import ExactlySampled, GenerativeModel, Source

    for protocol in (Source, GenerativeModel, ExactlySampled):
        assert isinstance(mad.Gaussian(), protocol)
    assert isinstance(mad.data.Empirical([[1.0]]), Source)
    assert not isinstance(object(), Source)


@pytest.mark.parametrize("path", MODULES + SCRIPTS, ids=relative)
def test_modules_say_what_they_are_and_export(path):
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module says in its first line what it is"
    assigned = {
        t.id for node in tree.body if isinstance(node, ast.Assign) for t in node.targets if hasattr(t, "id")
    }
    if path.is_relative_to(PACKAGE) and path.name == "__init__.py":
        assert "__all__" in assigned


def public_definitions(path):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            if any(isinstance(one, ast.Name) and one.id == "overload" for one in node.decorator_list):
                continue  # types only: the implementation that follows holds the docstring
            yield node.name, node
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                    yield f"{node.name}.{inner.name}", inner


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_public_functions_are_documented(path):
    assert not [name for name, node in public_definitions(path) if not ast.get_docstring(node)]


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_doctests(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    needed = {"networks": ("torch", "zuko"), "images": ("torch", "diffusers", "accelerate", "PIL")}
    for package in needed.get(parts[1], ()):
        pytest.importorskip(package)
    module = importlib.import_module(".".join(p for p in parts if p != "__init__"))
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


def test_strategies_cover_every_regime():
    from madtheory import regimes

    constructors = {name for name in regimes.__all__ if name.islower()}
    assert {*constructors, "custom"} == set(testing.REGIMES)
    assert (PACKAGE / "py.typed").exists()

"""The shape of the package: layers, light import, frozen public names, documented modules."""

import ast
import doctest
import importlib
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


BASE = {"_repr", "_threads", "_validation", "types"}
ALLOWED = {
    "types": set(),
    "_repr": set(),
    "_long_names": set(),
    "_validation": set(),
    "_printable": set(),
    "_threads": set(),
    "_roots": {"types"},
    "_compare": {"types"},
    "regimes": BASE,
    "_distances": {"types"},
    "_global_random": set(),
    "treatments": BASE | {"data", "_correction", "_curation", "_distances", "_rejection"},
    "data": BASE | {"_counts", "_roots"},
    "_bandwidth": {"_validation"},
    "theory": {"_bandwidth", "_validation", "theory"},
    "models": BASE | {"_bandwidth", "_distances", "data", "_global_random", "_roots", "models"},
    "networks": BASE | {"_identity", "_printable", "data", "networks", "sources"},
    "images": BASE
    | {"_files", "_identity", "_point_metrics", "_printable", "data", "images", "networks", "sources"},
    "_streams": BASE,
    "_files": set(),
    "_identity": set(),
    "_state": {"_identity"},
    "_retained": {"data"},
    "_adapters": BASE | {"_global_random", "data", "models"},
    "_loop": BASE | {"_adapters", "_retained", "_streams", "data", "regimes", "treatments"},
    "metrics": BASE
    | {"_adapters", "_class_metrics", "_law_distances", "_likelihood", "_loop", "_point_metrics", "_sampled"}
    | {"metrics_discrete", "theory"},
    "metrics_discrete": BASE | {"_counts", "_loop"},
    "_point_metrics": BASE | {"_distances"},
    "_law_distances": BASE | {"_distances", "_point_metrics"},
    "_likelihood": BASE | {"data"},
    "_class_metrics": BASE | {"_distances", "_point_metrics"},
    "_sampled": BASE
    | {"_identity", "_adapters", "_global_random", "_point_metrics", "_streams", "data", "models"},
    "_planar": {"types"},
    "sources": BASE | {"_planar", "data"},
    "_provenance": {"_loop", API},
    "_counts": BASE,
    "_rejection": BASE | {"_global_random"},
    "_correction": BASE | {"_adapters", "_rejection", "data"},
    "_curation": BASE | {"_rejection"},
    "_simulate": BASE | {"_long_names", "data", "_loop", "_provenance", "_streams", "metrics", API},
    "_closed_forms": {"_loop", "_correction", "_curation", "models", "theory"},
    "_predict": BASE | {"_closed_forms", "_long_names", "_loop"},
}
"""Who may import whom; what is not listed stands above, and imports the public API."""

PUBLIC = {API, *mad.__all__, "images", "networks", "testing", "plotting", "cli"}
ABOVE = {
    "storage": {"_files", "_identity", "_loop", "_simulate", "_state", "_validation"},
    "testing": {"_compare", "_conformance", "_validation"},
    "cli": {"_arguments", "_demo", "_files", "_printable", "_table", "images"},
    "_demo": {"_table"},
    "_table": {"_compare"},
    "images.runs": {"_identity", "_printable", "_validation"},
}


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_layers(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    # The runs of the image backend are applications, which stand above it.
    mine = "images.runs" if parts[:2] == ("images", "runs") else parts[0]
    if mine == "__init__":
        return
    ours = {component(name) for name in imported(path) if name.split(".")[0] == "madtheory"}
    allowed = ALLOWED.get(mine, PUBLIC | ABOVE.get(mine, set()) | {"types"})
    assert ours <= allowed, f"{relative(path)} imports {sorted(ours - allowed)}"


def test_the_layer_check_sees_a_wrong_import(tmp_path, monkeypatch):
    """Negative control: an upward import inside a function, and a relative one."""
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    bad = tmp_path / "madtheory" / "models" / "bad.py"
    bad.parent.mkdir(parents=True)
    bad.write_text(
        "def f():\n    from madtheory import simulate\n    from .._loop import step\n    import madtheory\n"
    )
    assert {component(name) for name in imported(bad)} == {"simulate", "_loop", API}


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
    code = f"import sys, madtheory; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
    control = "import sys, madtheory, xarray; print('xarray' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", control], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "True"


FROZEN = {
    "madtheory": [
        "Categorical", "Estimator", "Gaussian", "KernelDensity", "Loop", "Mixture", "NoClosedForm",
        "Snapshot", "compare", "data", "iterate", "metrics", "models", "predict", "regimes", "simulate",
        "sources", "start", "step", "storage", "theory", "treatments", "types",
    ],
    "madtheory.regimes": ["Regime", "accumulate", "accumulate_subsample", "augment", "fresh", "replace"],
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
    ],
    "madtheory.testing": [
        "REGIMES", "Growing", "assert_agrees", "assert_mean_matches", "assert_rate_matches",
        "check_generative_model", "gaussians", "loops", "power", "regimes", "sizes", "smallest_detectable",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", FROZEN)
def test_public_names_are_frozen(name):
    """Adding a name is a decision: add it here and to the changelog too."""
    module = importlib.import_module(name)
    assert sorted(module.__all__) == sorted(FROZEN[name])
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
    if path.is_relative_to(PACKAGE):
        assert "__all__" in assigned


def public_definitions(path):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
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


def test_strategies_cover_every_row_of_the_table():
    from madtheory.interpreters.predict import CLOSED_FORMS

    assert {regime for _, regime in CLOSED_FORMS} == set(testing.REGIMES)
    assert (PACKAGE / "py.typed").exists()

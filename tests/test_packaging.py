"""What is shipped: metadata that agree, typed package data, and a README whose code runs as it says."""

import contextlib
import doctest
import importlib
import importlib.util
import io
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import madtheory as mad
from madtheory import cli
from madtheory.cli import arguments as _arguments, command as _command

ROOT = Path(__file__).parents[1]
PACKAGE = Path(mad.__file__).parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page, language):
    """The fenced blocks of a page in one language, each with the block of text right below it, if any."""
    text = (ROOT / page).read_text()
    fences = list(FENCE.finditer(text))
    for fence, below in zip(fences, [*fences[1:], None], strict=True):
        if fence[1] == language:
            shown = (
                below
                and below[1] in ("", "text")
                and not re.search(r"^#|\n\n.*\n\n", text[fence.end() : below.start()])
            )
            yield fence[2], below[2] if shown else None


EXTRAS = {"images": "images", "torch": "networks"}  # what a block imports from madtheory needs this extra
MODULES = {"images": "diffusers", "torch": "torch"}


# Metadata -------------------------------------------------------------------------------------------


def test_one_version_everywhere():
    assert PYPROJECT["project"]["dynamic"] == ["version", "readme"]
    assert PYPROJECT["tool"]["hatch"]["version"]["path"] == "madtheory/version.py"
    assert f"\nversion: {mad.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{mad.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_typed_and_with_its_style():
    assert (PACKAGE / "py.typed").is_file()
    assert (PACKAGE / "plotting" / "madtheory.mplstyle").is_file()
    assert PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["madtheory"]


def test_the_page_of_the_package_index_has_absolute_addresses():
    """README with the substitutions that the build makes: pictures and files that exist here, by address."""
    page = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\(([^)]+)\)", page)
    for rule in PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        page = re.sub(rule["pattern"], rule["replacement"], page)
    found = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", page)
    assert len(found) == len(links)
    for picture, address in found:
        assert address.startswith(("https://", "#"))
        for kind in ("raw.githubusercontent.com/madtheory/madtheory/main/", "/madtheory/blob/main/"):
            if kind in address:
                assert ("raw." in kind) == (picture == "!")
                assert (ROOT / address.split(kind)[1].partition("#")[0]).exists(), address


def test_workflows_run_commands_that_exist():
    """The targets of make, the extras and the scripts that the workflows name."""
    import yaml

    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = []
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            commands += [step["run"] for step in job["steps"] if "run" in step]
    assert len(commands) > 5
    for command in commands:
        if command.startswith("make "):
            assert command.split()[1] in targets, command
        for extras in re.findall(r"\.\[([\w,]+)\]", command):
            assert set(extras.split(",")) <= set(PYPROJECT["project"]["optional-dependencies"]), command
        if command.startswith("."):
            assert os.access(ROOT / command, os.X_OK), command


def test_the_command_is_installed_from_here():
    module, function = PYPROJECT["project"]["scripts"]["madtheory"].split(":")
    assert getattr(importlib.import_module(module), function) is cli.main


def test_bounds_are_lower_bounds_and_the_core_needs_no_torch():
    project = PYPROJECT["project"]
    assert not [name for name in project["dependencies"] if "torch" in name]
    extras = project["optional-dependencies"].values()
    everything = [*project["dependencies"], *(name for extra in extras for name in extra)]
    assert not [name for name in everything if "<" in name]
    assert re.search(r"^torch==[\d.]+$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)


def test_everything_that_is_imported_is_declared():
    """Fails on a package that is there only because another one needs it."""
    pytest.importorskip("deptry")
    done = subprocess.run(
        [sys.executable, "-m", "deptry", "."], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_undeclared_import_is_seen(tmp_path):
    """Negative control: tyro needs docstring-parser, which must be declared all the same."""
    pytest.importorskip("deptry")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "a"\nversion = "1"\ndependencies = ["tyro"]\n'
    )
    (tmp_path / "a.py").write_text("import docstring_parser\nimport tyro\n")
    done = subprocess.run(
        [sys.executable, "-m", "deptry", "."], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "docstring_parser" in done.stderr


def test_nothing_ties_the_project_to_one_machine():
    files = [
        "Makefile",
        "constraints.txt",
        "pyproject.toml",
        ".ci/run",
        ".pre-commit-config.yaml",
        "README.md",
    ]
    for name in files:
        text = (ROOT / name).read_text()
        assert not re.search(r"find-links|index-url|/(work|home|root|opt)/", text), name
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


# Pages ----------------------------------------------------------------------------------------------


GUIDES = [
    "docs/start.md",
    *(str(p.relative_to(ROOT)) for p in sorted((ROOT / "docs" / "how_to").glob("*.md"))),
]


@pytest.mark.parametrize(
    ("page", "outputs"),
    [
        ("README.md", 1),
        ("CONTRIBUTING.md", 0),
        *((page, int("```text" in (ROOT / page).read_text())) for page in GUIDES),
    ],
)
def test_code_runs_and_prints_what_the_page_shows(page, outputs, tmp_path, monkeypatch):
    """All Python blocks run in order, as one session; a block of text right below one is its output.

    ``...`` in the output stands for anything, and runs of blanks are one.
    """
    monkeypatch.chdir(tmp_path)
    session = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", session)  # where pickle and dataclasses look classes up
    compared = 0
    lacking = None
    for code, expected in blocks(page, "python"):
        needed = next((extra for extra, name in EXTRAS.items() if re.search(rf"\b{name}\b", code)), None)
        if needed and importlib.util.find_spec(MODULES[needed]) is None:
            lacking = needed
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, page, "exec"), session.__dict__)
        if expected is not None:
            compared += 1
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            same = doctest.OutputChecker().check_output(expected, printed.getvalue(), flags)
            assert same, f"{page} shows\n{expected}\nand the code prints\n{printed.getvalue()}"
    if lacking:
        pytest.skip(f"the other blocks ran; one needs {MODULES[lacking]}: pip install -e '.[{lacking}]'")
    assert compared >= outputs


def shell_lines():
    bodies = [body for language in ("sh", "bash", "console") for body, _ in blocks("README.md", language)]
    text = "\n".join(bodies)
    return [line.split("#")[0].removeprefix("$ ").strip() for line in text.splitlines()]


def test_the_commands_of_the_readme_exist():
    targets = set(re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split())
    made = [line.split()[-1] for line in shell_lines() if line.startswith("make ")]
    assert {"figures", "test"} <= set(made) <= targets
    commands = {
        "demo": _command._demo,
        "page": _command._page,
        "simulate": _arguments.command(_command._simulate, mad.simulate, ""),
        "predict": _arguments.command(_command._predict, mad.predict, ""),
    }
    lines = [shlex.split(line, comments=True)[1:] for line in shell_lines() if line.startswith("madtheory ")]
    for line in lines:
        if line[0] != "images" and line[-1] not in ("--help", "--version"):
            assert callable(_arguments.parse(commands, line, "")), line
    pytest.importorskip("torch")
    from madtheory.images.runs import COMMANDS

    of_images = [line[1:] for line in lines if line[0] == "images"]
    assert of_images
    for line in of_images:
        assert callable(_arguments.parse(COMMANDS, line, "")), line


PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    ("script", "written"),
    [
        ("theory_reference.py", ["docs/theory.md", "madtheory/theory/tests.json"]),
        ("coverage.py", ["docs/coverage.md"]),
    ],
)
def test_generated_pages_are_up_to_date(script, written, tmp_path):
    """The scripts write into a copy of the folders what stands here."""
    for folder in ("docs", "madtheory", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "*.html", "api")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    for name in written:
        (tmp_path / name).write_text((ROOT / name).read_text() if name.endswith("json") else "")
    subprocess.run(
        [sys.executable, f"docs/{script}"], cwd=tmp_path, check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    for name in written:
        assert (tmp_path / name).read_text() == (ROOT / name).read_text(), f"run python docs/{script}"


def test_the_lock_pins_all_that_is_declared():
    """Every dependency of every extra stands in the lock, at or above its floor."""
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    pinned = {canonicalize_name(name): Version(version) for name, version in pins.items()}
    project = PYPROJECT["project"]
    declared = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    for requirement in map(Requirement, declared):
        if requirement.name != "madtheory":
            assert pinned[canonicalize_name(requirement.name)] in requirement.specifier

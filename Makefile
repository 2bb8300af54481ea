# make figures   install the core (no torch) and reproduce every figure in quick mode
# make figures-networks   the same for the figures that train networks (installs torch and diffusers)
# make test      install everything and run the tests
# Another interpreter: make PYTHON=python3.12 test

PYTHON ?= python3
VENV ?= .venv
OUT ?= out/figures
SITE ?= out/site

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST := MADTHEORY_REQUIRE=torch $(BIN)/python -m pytest

# One thread per process: the tests and the sweeps run processes side by side, whose threads would fight.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
# Compiled modules are kept: every process would compile the package, and every worker rewrite all the tests.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help figures figures-networks data test test-lowest test-slow test-gpu test-browser coverage benchmark benchmark-page docs lint lock format clean
.DELETE_ON_ERROR:

help:
	@echo 'make figures    reproduce every figure in quick mode into $(OUT) (installs what it needs, no torch)'
	@echo 'make figures-networks   the same for those that train networks (installs torch and diffusers)'
	@echo 'make data       get MNIST and Fashion-MNIST into data (needs a network)'
	@echo 'make test       run the tests (installs torch and the developer tools)'
	@echo 'make test-lowest   run the tests without torch at the lowest versions that pyproject.toml allows'
	@echo 'make test-slow  run the verification of minutes'
	@echo 'make test-gpu   run the checks and the tests that need an accelerator'
	@echo 'make test-browser   drive the page and the site in Chromium, which must be installed'
	@echo 'make coverage   run the tests and report which lines they reach'
	@echo 'make docs       build the documentation site into $(SITE), read without a network'
	@echo 'make benchmark  time the simulators against plain NumPy, into out/benchmarks.json'
	@echo 'make benchmark-page   write docs/benchmarks.md from it'
	@echo 'make lint       ruff check, ruff format --check, mypy, deptry, lint-imports'
	@echo 'make lock      pin everything that CI installs in constraints.txt'
	@echo 'make format     let ruff fix and format'
	@echo 'make clean      remove $(VENV), out and the caches'

figures: $(VENV)/.core
	$(BIN)/python -m paper_scripts --core --quick --out $(OUT)

figures-networks: $(VENV)/.torch
	$(BIN)/python -m paper_scripts --networks --quick --out $(OUT)

data: $(VENV)/.core
	$(BIN)/madtheory data fetch mnist --to data/mnist
	$(BIN)/madtheory data fetch fashion-mnist --to data/fashion-mnist

test: $(VENV)/.dev
	$(PYTEST) -n auto --dist worksteal

# Releases of that age warn about what later ones do otherwise, so that warnings are no errors here.
test-lowest:
	$(PYTHON) -m venv --clear out/lowest
	out/lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
	out/lowest/bin/uv pip install --quiet --python out/lowest/bin/python --resolution lowest-direct -e '.[tests]'
	out/lowest/bin/python -m pytest -n auto --dist worksteal -o filterwarnings=default

test-slow: $(VENV)/.dev
	$(PYTEST) -m slow

test-gpu: $(VENV)/.dev
	$(BIN)/python tests/images/gpu_checks.py
	$(PYTEST) -m gpu

test-browser: $(VENV)/.docs $(VENV)/.browser
	$(PYTEST) -m browser

coverage: $(VENV)/.dev
	$(PYTEST) -n auto --dist worksteal --cov --cov-report=term:skip-covered --cov-report=html:out/coverage

benchmark: $(VENV)/.dev
	mkdir -p out
	$(PYTEST) tests/benchmarks -o addopts='--strict-markers -ra' --benchmark-only --benchmark-json=out/benchmarks.json

benchmark-page: $(VENV)/.dev
	$(BIN)/python docs/benchmarks_page.py out/benchmarks.json > out/benchmarks.md
	mv out/benchmarks.md docs/benchmarks.md

docs: $(VENV)/.docs
	rm -rf docs/api
	$(BIN)/sphinx-build -W --keep-going -q -b html docs $(SITE)
	$(BIN)/python docs/check_site.py $(SITE)
	@echo 'open $(SITE)/index.html'

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/deptry .
	$(BIN)/lint-imports

lock:
	rm -rf out/lock && $(PYTHON) -m venv out/lock && mkdir -p out/lock
	grep '^torch==' constraints.txt > out/lock/torch.txt
	out/lock/bin/python -m pip install --quiet --disable-pip-version-check -c out/lock/torch.txt -e '.[torch,images,distributed,docs,browser,dev]'
	(grep '^#' constraints.txt; out/lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//') > out/lock/constraints.txt
	mv out/lock/constraints.txt constraints.txt

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) out dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: each is written when its step is complete, so that an interrupted one is done again.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "madtheory needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.core: $(VENV)/.made pyproject.toml
	$(PIP) -e .
	@touch $@

$(VENV)/.torch: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) -c constraints.txt -e '.[torch,images]'
	@touch $@ $(VENV)/.core

$(VENV)/.docs: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) -c constraints.txt -e '.[docs]'
	@touch $@ $(VENV)/.core

$(VENV)/.browser: $(VENV)/.dev
	$(PIP) -c constraints.txt -e '.[browser]'
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) -c constraints.txt -e '.[torch,images,distributed,dev]'
	@touch $@ $(VENV)/.core $(VENV)/.torch

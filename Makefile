# Everything a fresh clone needs; `make help` lists it. Only python3 (3.10 or later, with venv) and make must be there.

VENV := .venv
BIN := $(VENV)/bin
REQUIRED := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))

# The newest Python whose suspended code gtdiag reads, then any other that it runs on. PYTHON=... overrides.
CANDIDATES := python3.13 python3.12 python3.11 python3 python3.14 python3.10
PYTHON ?= $(shell for python in $(CANDIDATES); do \
	if $$python -c '$(REQUIRED)' >/dev/null 2>&1; then echo $$python; break; fi; done)

# Most tests wait for a time-out: three of them side by side keep two cores no more than busy.
PYTEST_OPTIONS ?= -n 3 --dist loadgroup
ENGINE ?= $(shell command -v docker || command -v podman)
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint format pytest bench faults fuzz scenarios fixtures interpreters rules man environments image dist package-check clean find-python

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/installed ## watch four workers hang in their start-up, and be told why (under two minutes)
	@$(BIN)/python examples/startup_contention/demo.py $(DEMO_OPTIONS)

test: lint pytest ## install, lint and run every test

lint: $(VENV)/installed-dev ## ruff, mypy (strict) and import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-dev ## format and fix what can be fixed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

pytest: environments
	$(BIN)/pytest $(PYTEST_OPTIONS)

environments: $(VENV)/installed-dev ## build the gunicorn environments of the tests (done once)
	$(BIN)/python -m tests.environments

bench: environments ## run every benchmark (about 25 minutes); writes docs/benchmarks.md. BENCH_OPTIONS="--only lines", --quick, --ten-gb
	$(BIN)/python -m pip install --quiet --group bench
	$(BIN)/python -m benchmarks.run $(BENCH_OPTIONS)

interpreters: $(VENV)/installed-dev ## compare what is read of every CPython here with its own account; writes docs/interpreters.md
	$(BIN)/python -m tests.interpreters.report $(INTERPRETERS_OPTIONS)

faults: environments ## kill gtdiag a thousand times while it looks at a server, then every storm (about twenty minutes)
	$(BIN)/python -m tests.faults.sigkill $(FAULTS_OPTIONS)
	$(BIN)/python -m tests.faults.storms

fuzz: $(VENV)/installed-dev ## ten million inputs that nobody meant to write, for every parser (about an hour)
	$(BIN)/python -m tests.faults.fuzz $(FUZZ_OPTIONS)

scenarios: $(VENV)/installed-dev ## run the accuracy matrix on real gunicorn and real servers; writes docs/accuracy.md
	$(BIN)/python -m tests.scenarios.matrix $(SCENARIOS_OPTIONS)

rules: $(VENV)/installed-dev ## write the reference of rules and remedies, docs/rules.md, from the data
	$(BIN)/python -m tests.rule_reference

man: $(VENV)/installed-dev ## write the man page, docs/gtdiag.1, from the help
	$(BIN)/python -m tests.man_page

dist: $(VENV)/installed-dev ## build the wheel and the sdist
	$(BIN)/python -m pip install --quiet --group package
	$(BIN)/python -m build

package-check: $(VENV)/installed-dev ## build both, and install the wheel with pip, pipx and uv
	$(BIN)/python -m pip install --quiet --group package
	$(BIN)/python -m tests.package_check

fixtures: $(VENV)/installed-dev ## make fixtures/logs again from real gunicorn runs (about five minutes)
	$(BIN)/python -m fixtures.make_fixtures $(CASES)

image: ## build the image of the Dockerfile with docker or podman, and run it as any user on a read-only root
	$(ENGINE) build --tag gtdiag .
	$(ENGINE) run --rm --user 10001:10001 --read-only --cap-drop=ALL gtdiag --version

clean: ## remove what this Makefile made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

find-python:
	@$(if $(PYTHON),echo $(PYTHON),echo "no python3 of 3.10 or later with venv found (Debian: apt-get install python3-venv)" >&2; exit 1)

$(BIN)/python:
	@$(MAKE) --no-print-directory find-python >/dev/null
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml $(VENV)/installed | $(BIN)/python
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

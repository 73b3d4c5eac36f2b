# The commands are printed by plain `make`.
# PYTHON chooses the interpreter for a new .venv. LAB_ARGS is passed on to JupyterLab.

PYTHON ?= python3
LAB_ARGS ?=
SOAK_ARGS ?=
BENCH_ARGS ?=
MUTANTS_ARGS ?=

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

PY := $(BIN)/python
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

# Three at a time on two cores, file by file: much of a test's time is waiting for a heartbeat. Long files come first.
THREE := -n 3 --dist loadfile --no-loadscope-reorder
LONGEST := notebooks/11_choose_and_defend.ipynb
NOTEBOOKS := $(LONGEST) $(filter-out $(LONGEST),$(wildcard notebooks/*.ipynb))

# A checkout keeps what Python has compiled, also where the environment forbids it: else every worker and every kernel compiles it again.
export PYTHONDONTWRITEBYTECODE :=

# JupyterLab refuses to start for root, and in a container everybody is root.
ROOT_ARGS := $(if $(filter 0,$(shell id -u)),--allow-root)

# A .venv knows the folder it was made in. After a move or a copy it would run the code of the old folder, so it is made again.
ifneq ($(shell cat .venv/made-in 2>/dev/null),$(CURDIR))
MOVED := moved
endif

.PHONY: help lab test style notebooks soak full mutants flakes versions bench audit renew clean moved

help:
	@echo "make lab       install what the course needs and open it in JupyterLab  (LAB_ARGS=... goes to JupyterLab)"
	@echo "make test      install what the tests need and run what CI runs"
	@echo "make full      run the long checks in pieces of 30 minutes; call it again to go on  (FULL_ARGS=--restart forgets)"
	@echo "make soak      break everything at random for ten minutes; again to go on, the totals add up  (SOAK_ARGS=\"--minutes 30\")"
	@echo "make mutants   break the pure floors in every small way; the tests must notice; again to go on  (MUTANTS_ARGS=\"rules/retry\")"
	@echo "make flakes    run the whole suite 20 times, shuffled, under load; again to go on"
	@echo "make versions  run the same tests with other versions of what they need; again to go on"
	@echo "make bench     measure how fast everything is, beside others  (BENCH_ARGS=\"replay --rounds 5\" chooses)"
	@echo "make audit     ask whether a pinned package is known to be vulnerable; needs the network (see SECURITY.md)"
	@echo "make renew     run the notebooks and store their outputs, after a change that a learner can see"
	@echo "make clean     remove .venv and every cache"
	@echo "PYTHON=python3.12 chooses the Python for a new .venv; 3.11 is the oldest that works."

lab: .venv/lab.stamp
	$(PY) -m jupyterlab --ServerApp.root_dir=notebooks --LabApp.default_url=/lab/tree/00_start_here.ipynb $(ROOT_ARGS) $(LAB_ARGS)

test: .venv/test.stamp
	$(MAKE) --no-print-directory -j 2 style notebooks
	$(PY) -m pytest $(THREE) -p no:nbval tests

style: .venv/test.stamp
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(BIN)/lint-imports

notebooks: .venv/test.stamp
	REALTIME_LAB_TAB=windowless $(PY) -m pytest $(THREE) -p tests.over_ipc --nbval --nbval-current-env --nbval-cell-timeout=60 $(NOTEBOOKS)

renew: .venv/test.stamp
	$(PY) tests/renew.py

soak: .venv/test.stamp
	$(PY) -m tests.soak $(SOAK_ARGS)

full: .venv/test.stamp
	$(PY) -m tests.full checks $(FULL_ARGS)

flakes: .venv/flakes.stamp
	$(PY) -m tests.full flakes $(FULL_ARGS)

versions: .venv/test.stamp
	$(PY) -m tests.full versions $(FULL_ARGS)

mutants: .venv/mutants.stamp
	$(PY) -m tests.mutants $(MUTANTS_ARGS)

bench: .venv/bench.stamp
	$(PY) -m benchmarks $(BENCH_ARGS)

audit: .venv/audit.stamp
	.venv/audit/$(notdir $(BIN))/python -m pip_audit --strict --no-deps --disable-pip --requirement constraints.txt

clean:
	rm -rf .venv .full .soak .versions .benchmarks .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis artefacts build dist *.egg-info .coverage
	find . -name node_modules -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

.venv/made-in: $(MOVED)
	@$(PYTHON) -c "import sys" || { echo "make: '$(PYTHON)' does not run. Install Python 3.11 or newer, or name yours: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	  { echo "make: Python 3.11 or newer is needed, '$(PYTHON)' is older:"; $(PYTHON) --version; echo "Name another: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c "import venv, ensurepip" 2>/dev/null || \
	  { echo "make: '$(PYTHON)' lacks the venv module. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv --clear .venv
	@echo "$(CURDIR)" > $@

.venv/lab.stamp: .venv/made-in pyproject.toml constraints.txt
	@echo "Installing the lab (a minute or two the first time) ..."
	$(INSTALL) ".[lab]"
	@touch $@

.venv/test.stamp: .venv/made-in pyproject.toml constraints.txt
	@echo "Installing the lab and the test tools (a minute or two the first time) ..."
	$(INSTALL) ".[lab,test]"
	@touch .venv/lab.stamp $@

.venv/audit.stamp: .venv/made-in
	$(PY) -m venv .venv/audit
	.venv/audit/$(notdir $(BIN))/python -m pip install --quiet --disable-pip-version-check pip-audit
	@touch $@

.venv/bench.stamp: .venv/made-in pyproject.toml constraints.txt
	$(INSTALL) ".[bench]"
	@touch $@

.venv/flakes.stamp: .venv/test.stamp
	$(INSTALL) ".[lab,test,flakes]"
	@touch $@

.venv/mutants.stamp: .venv/test.stamp
	$(INSTALL) ".[lab,test,mutants]"
	@touch $@

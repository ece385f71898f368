# The two commands of the README: `make app` and `make test`. Everything is installed into .venv, from the locks.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What `make app` installs: the lock, or with REQUIREMENTS=requirements.txt what its ranges allow.
REQUIREMENTS ?= requirements.lock
# A process for each core, up to four (tests/conftest.py says what runs in one of them).
TESTS := -m pytest --numprocesses=auto --maxprocesses=4 --no-loadscope-reorder
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-annotate --custom-compile-command "make lock"

.PHONY: app test test-oldest test-newest test-capabilities test-seeds lint lock upgrade benchmark screenshots clean

app: $(VENV)/.app-$(REQUIREMENTS)
	$(BIN)/python app.py

test: $(VENV)/.dev lint
	sh tests/browser/chromium.sh
	$(BIN)/python $(TESTS)

# The suite at an end of the ranges in requirements.txt, in an environment of its own (6 GB): .venv-oldest, .venv-newest.
test-oldest: RESOLUTION := lowest-direct
test-newest: RESOLUTION := highest
test-oldest test-newest: test-%: $(VENV)/.dev
	sh tests/browser/chromium.sh
	$(BIN)/uv venv --quiet --clear --seed --python $(BIN)/python $(VENV)-$*
	$(BIN)/uv pip install --quiet --python $(VENV)-$*/bin/python --resolution $(RESOLUTION) -r requirements-dev.txt
	$(BIN)/uv pip install --quiet --python $(VENV)-$*/bin/python --no-deps --editable .
	$(VENV)-$*/bin/python -m tests.versions $*
	$(VENV)-$*/bin/python $(TESTS)

# The suite on torch's kernels without vector instructions, and on those for AVX2.
test-capabilities: $(VENV)/.dev
	sh tests/browser/chromium.sh
	ATEN_CPU_CAPABILITY=default $(BIN)/python $(TESTS)
	ATEN_CPU_CAPABILITY=avx2 $(BIN)/python $(TESTS)

# The tests that draw networks and pictures, at two more sets of seeds than `make test`.
test-seeds: $(VENV)/.dev
	ATTNVIZ_TEST_SEED=1 $(BIN)/python $(TESTS) tests/unit
	ATTNVIZ_TEST_SEED=2 $(BIN)/python $(TESTS) tests/unit

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.versions locked

# `make lock` keeps every version that still fits the ranges; `make upgrade` takes the newest of all.
lock upgrade: $(VENV)/.dev
	$(BIN)/$(COMPILE) $(if $(filter upgrade,$@),--upgrade) requirements.txt --output-file requirements.lock
	$(BIN)/$(COMPILE) $(if $(filter upgrade,$@),--upgrade) requirements-dev.txt --constraint requirements.lock \
		--output-file requirements-dev.lock

benchmark: $(VENV)/.dev
	$(BIN)/python -m benchmarks.one_pass
	$(BIN)/python -m benchmarks.page
	$(BIN)/python -m benchmarks.look
	$(BIN)/python -m benchmarks.what_if
	$(BIN)/python -m benchmarks.models

screenshots: $(VENV)/.dev
	$(BIN)/python -m tests.browser.screenshots

clean:
	rm -rf $(VENV) $(VENV)-oldest $(VENV)-newest

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, not " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

# The package itself is installed without isolation: its build takes setuptools from the lock, too.
# .dev holds all that the lock of the app does; the ranges change both, so that each is installed anew after them.
$(VENV)/.app-%: % pyproject.toml | $(VENV)/bin/python
	rm -f $(VENV)/.app-* $(if $(filter %.lock,$<),,$(VENV)/.dev)
	$(BIN)/python -m pip install --quiet $(if $(filter %.lock,$<),--require-hashes) -r $<
	$(BIN)/python -m pip install --quiet --no-deps $(if $(filter %.lock,$<),--no-build-isolation) --editable .
	touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	rm -f $(VENV)/.app-*
	$(BIN)/python -m pip install --quiet --require-hashes -r $<
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@ $(VENV)/.app-requirements.lock

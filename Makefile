# Every command below can also be typed by hand.

# The first Python that is new enough and has venv; to choose another: make PYTHON=...
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.PHONY: train gallery lessons site offline-kit test slow lint bench matrix coverage clean

train: .venv/installed                ## train the demo on synthetic images; needs no download
	$(BIN)/tinynet train

gallery: .venv/installed              ## a page of every kind of figure, of a run of the demo
	test -e runs/demo-0/result.json || $(BIN)/tinynet train \
		$$(test -e runs/demo-0/config.json && echo --resume || echo --out) runs/demo-0
	$(BIN)/tinynet look runs/demo-0 --gallery --out gallery

lessons: .venv/installed              ## the course, in JupyterLab
	@echo "Installing JupyterLab into .venv: minutes the first time."
	$(BIN)/python -m pip install --quiet --editable ".[lessons]"
	$(BIN)/tinynet lessons open

site: .venv/site-tools                ## the site, in site/; REPOSITORY=owner/name adds badges, PYODIDE=folder a lab
	rm -rf site build/site
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -c docs/site -d build/site \
		$(if $(REPOSITORY),-D repository=$(REPOSITORY)) $(if $(BRANCH),-D branch=$(BRANCH)) \
		$(if $(PYODIDE),-D in_browser=yes) . site
	@test -z "$(PYODIDE)" || $(BIN)/python -m pip install --quiet --editable ".[lab]"
	@test -z "$(PYODIDE)" || $(BIN)/python docs/site/lab.py site "$(PYODIDE)"
	$(BIN)/python docs/site/check_site.py site

EXTRAS ?= [lessons,teach]
DATA ?=
offline-kit: $(BIN)/python            ## what a room without a network needs; with data: make offline-kit DATA="cifar10 mnist"
	@echo "Collecting wheels in offline-kit/wheels, for this version of Python and this kind of processor."
	$(BIN)/python -m pip wheel --quiet --wheel-dir offline-kit/wheels ".$(EXTRAS)"
	cp docs/offline-kit.txt offline-kit/README.txt
	$(BIN)/python -c 'import platform as p; print("\nMade for Python %s on %s, %s." % (p.python_version(), p.system(), p.machine()))' \
		>> offline-kit/README.txt
	@test -z "$(DATA)" || $(MAKE) .venv/installed
	for name in $(DATA); do .venv/bin/tinynet data get $$name --data-dir offline-kit/data || exit 1; done

test: .venv/test-tools                ## the fast test suite, same command as in README and .ci/run
	$(BIN)/pytest

slow: .venv/test-tools                ## the tests that train networks
	$(BIN)/pytest -m slow

lint: .venv/test-tools                ## format, style, types and import layers
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/test-tools               ## training steps against PyTorch (a large installation)
	$(BIN)/python -m pip install --quiet --editable ".[oracle]"
	$(BIN)/python -m benchmarks

matrix: .venv/test-tools              ## each Python found, with the lowest and the newest packages
	$(BIN)/python -m pip install --quiet uv
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tests/matrix.py

coverage: .venv/test-tools            ## test coverage
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report

clean:                                ## remove the environment, the caches and the built files
	rm -rf .venv build dist site *.egg-info .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "tinynet needs Python 3.11 or later with its venv module, and none was found (Debian, Ubuntu: apt install python3-venv; or name one: make PYTHON=/path/to/python3)."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python setup.cfg pyproject.toml
	@echo "Installing tinynet into .venv; in a terminal of your own: . .venv/bin/activate"
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/site-tools: .venv/installed
	$(BIN)/python -m pip install --quiet --editable ".[site]"
	@touch $@

.venv/test-tools: .venv/installed
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@

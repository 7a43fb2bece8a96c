# The two commands are `make lab` and `make test`; `make` alone lists the rest.
#
# Everything is installed into .venv and nothing outside it. The files .venv/.*-installed mark what
# is done, so a second run skips it until pyproject.toml or constraints.txt changes.

PYTHON ?= python3
LAB_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
NOTEBOOKS := $(wildcard chapters/*.ipynb exercises/*.ipynb solutions/*.ipynb)
TORCH := $(shell grep '^torch==' constraints.txt)
CPU_INDEX := https://download.pytorch.org/whl/cpu
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=60 \
	--nbval-sanitize-with tests/nbval_sanitize.cfg

# Two at a time, and a module's tests (a notebook's cells) stay together and in order.
IN_PARALLEL := -n 2 --dist loadscope

# JupyterLab refuses to run as root, which is who one is in a container, unless told that it may.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

# Matplotlib's font cache takes seconds to build: it is kept, and nobody's own style slips in.
export MPLCONFIGDIR := $(CURDIR)/$(VENV)/matplotlib

say = @echo "seegrad: $(1)"

# Run a command whose output matters only if it fails.
quietly = @out=$$($(1) 2>&1) || { echo "$$out" >&2; exit 1; }

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help lab reset test style types library fresh cells grading browser notebooks exercises \
	screenshots format constraints clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

## ---- Learning ------------------------------------------------------------------------------

lab: $(VENV)/.lab-installed ## open the course in JupyterLab (LAB_FLAGS="--no-browser --port 9999")
	$(call say,trusting the course's notebooks so that their widgets show at once)
	$(if $(NOTEBOOKS),$(call quietly,$(BIN)/jupyter trust $(NOTEBOOKS)))
	$(call say,opening JupyterLab on chapters/00_start.ipynb; Ctrl+C here ends it)
	@$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/chapters/00_start.ipynb $(AS_ROOT) $(LAB_FLAGS)

reset: $(VENV)/.lab-installed ## put all exercises back as they were; your versions are kept beside
	@$(BIN)/python -m seegrad.course.reset

## ---- Checking: `make test` runs all of these in this order ---------------------------------

test: style types library fresh cells grading browser ## run every check

style: $(VENV)/.test-installed ## is the code well written and well formatted?
	$(call say,ruff reads the code and the notebooks)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: $(VENV)/.test-installed ## do the types fit?
	$(call say,mypy checks the types)
	@$(BIN)/mypy

library: $(VENV)/.test-installed ## do the library and its documentation's examples work?
	$(call say,pytest runs the library's tests and the examples in its documentation)
	@$(BIN)/pytest $(IN_PARALLEL) seegrad classroom tests --ignore tests/browser \
		--ignore tests/test_nbgrader.py

fresh: $(VENV)/.test-installed ## is each notebook what `make notebooks` makes?
	$(call say,the exercises are made anew from the solutions and compared)
	@$(BIN)/python -m tests.tools.make_exercises --check
	$(call say,each notebook is run anew and compared byte for byte)
	@$(BIN)/python -m tests.tools.execute_notebooks --check

cells: $(VENV)/.test-installed ## does each cell give the output that is committed?
	$(call say,nbval runs each cell and compares its output)
	@rm -rf $(VENV)/progress
	@SEEGRAD_PROGRESS=$(CURDIR)/$(VENV)/progress/chapters \
		$(BIN)/pytest $(NBVAL) $(IN_PARALLEL) chapters
	@SEEGRAD_PROGRESS=$(CURDIR)/$(VENV)/progress/solutions \
		$(BIN)/pytest $(NBVAL) $(IN_PARALLEL) solutions

grading: $(VENV)/.test-installed ## does nbgrader give the points that answers deserve?
	$(call say,nbgrader releases the exercises and grades answers to them)
	@$(BIN)/pytest tests/test_nbgrader.py

browser: $(VENV)/.test-installed ## do the widgets work in JupyterLab in a real browser?
	$(call say,looking for a Chromium)
	@$(BIN)/python -m tests.tools.install_browser
	$(call say,a browser drives the widgets in JupyterLab)
	@$(BIN)/pytest $(IN_PARALLEL) tests/browser

## ---- Teaching: Binder, a JupyterHub, a room without a network --------------------------------

.PHONY: links rehearsal bundle slides load
links: $(VENV)/.test-installed ## write the links to Binder and a hub (set classroom/published.toml)
	@$(BIN)/python -m classroom.links

rehearsal: $(VENV)/.test-installed ## do all of Binder's steps anew, and open a chapter (minutes)
	@$(BIN)/python -m tests.tools.install_browser
	@$(BIN)/pytest --install tests/browser/test_binder.py

bundle: $(VENV)/.test-installed ## make dist/seegrad-course-*.zip, which installs without a network
	@$(BIN)/python -m classroom.bundle

slides: $(VENV)/.slides-installed ## write the chapters as slides into build/slides/, for a projector
	@$(BIN)/python -m classroom.slides

load: $(VENV)/.load-installed ## put a class on a real JupyterHub (LOAD_FLAGS="--learners 30 --write")
	@$(BIN)/python -m tests.load.run $(LOAD_FLAGS)

# reveal.js as files alone: the package that ships it is for another writer of slides.
$(VENV)/.slides-installed: pyproject.toml $(VENV)/.lab-installed
	$(call say,fetching reveal.js)
	@$(PIP) install -q --no-deps --upgrade --target $(VENV)/share/reveal sphinx-revealjs==3.2.1
	@touch $@

$(VENV)/.load-installed: pyproject.toml constraints.txt $(VENV)/.test-installed
	$(call say,installing JupyterHub and its proxy (for which npm is needed))
	@$(PIP) install -q -c constraints.txt -e '.[load]'
	@npm install --silent --prefix $(VENV)/share/proxy configurable-http-proxy@5.3.0
	@touch $@

## ---- Measuring -----------------------------------------------------------------------------

.PHONY: bench
bench: $(VENV)/.bench-installed ## time seegrad beside its peers (BENCH_FLAGS=--write keeps the table)
	@$(BIN)/python -m tests.benchmarks.run $(BENCH_FLAGS)

.PHONY: latency
latency: $(VENV)/.test-installed ## time the widgets from event to painted frame (BENCH_FLAGS=--write too)
	@$(BIN)/python -m tests.tools.install_browser
	@$(BIN)/python -m tests.benchmarks.latency $(BENCH_FLAGS)

$(VENV)/.bench-installed: pyproject.toml constraints.txt $(VENV)/.test-installed
	$(call say,installing what seegrad is compared with)
	@$(PIP) install -q -c constraints.txt -e '.[bench]'
	@touch $@

## ---- Writing -------------------------------------------------------------------------------

notebooks: $(VENV)/.test-installed ## run all notebooks and write their outputs
	$(call say,running the notebooks and writing what they show)
	@$(BIN)/python -m tests.tools.execute_notebooks

exercises: $(VENV)/.test-installed ## make the exercises from the solutions, the answers cut out
	@$(BIN)/python -m tests.tools.make_exercises

screenshots: $(VENV)/.test-installed ## photograph the chapters, light and dark, into screenshots/
	@$(BIN)/python -m tests.tools.install_browser
	$(call say,photographing the chapters in JupyterLab)
	@$(BIN)/python -m tests.tools.take_screenshots

format: $(VENV)/.test-installed ## format the code and mend what can be mended
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

constraints: $(VENV)/.test-installed ## pin what is installed in .venv now
	@{ grep '^#' constraints.txt; $(PIP) freeze --exclude-editable | grep -v ' @ ' \
		| sed -E 's/^(torch==[^+]*)\+.*/\1/'; } > $(VENV)/constraints.txt
	@mv $(VENV)/constraints.txt constraints.txt
	@$(BIN)/python -m classroom.pins

clean: ## remove caches, builds and screenshots (.venv stays)
	@rm -rf screenshots build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -path ./$(VENV) -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) \
		-exec rm -rf {} +

## ---- Installing ----------------------------------------------------------------------------

$(VENV)/.made:
	$(call say,making the virtual environment $(VENV))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Python 3.11 or newer is needed: make lab PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# On Linux the default build of PyTorch is for graphics cards and takes gigabytes; the build for
# the CPU alone is on PyTorch's own index, which not every network reaches. It is asked once, and
# for torch alone: what torch needs comes with the next step, at the releases of constraints.txt.
$(VENV)/.torch-installed: constraints.txt $(VENV)/.made
	$(call say,installing PyTorch for the CPU (about 200 MB))
ifeq ($(shell uname -s),Linux)
	@$(PIP) install -q --no-deps --retries 0 --timeout 15 --index-url $(CPU_INDEX) $(TORCH) \
		|| { echo "seegrad: not to be had from PyTorch's CPU index; taking the default build"; \
		$(PIP) install -q --no-deps $(TORCH); }
else
	@$(PIP) install -q --no-deps $(TORCH)
endif
	@touch $@

$(VENV)/.lab-installed: pyproject.toml constraints.txt $(VENV)/.torch-installed
	$(call say,installing JupyterLab and seegrad)
	@$(PIP) install -q -c constraints.txt -e .
	$(call say,switching off JupyterLab's pop-up that asks about news and updates)
	$(call quietly,$(BIN)/jupyter labextension disable --level=sys_prefix \
		@jupyterlab/apputils-extension:announcements)
	$(call say,preparing fonts for pictures)
	@$(BIN)/python -c 'import matplotlib.font_manager'
	@touch $@

$(VENV)/.test-installed: $(VENV)/.lab-installed $(VENV)/.slides-installed
	$(call say,installing what the checks need)
	@$(PIP) install -q -c constraints.txt -e '.[test]'
	@touch $@

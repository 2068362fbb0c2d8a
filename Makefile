# lora_repro: `make` lists the targets. Every target sets up what it needs, once.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH_INDEX ?=

MODEL ?= roberta-base
MODEL_PATH ?=
DATA ?=
TASKS ?= mnli sst2 mrpc cola qnli qqp rte stsb
METHODS ?= ft bitfit lora
SEEDS ?= 0 1 2 3 4
RECIPE ?=
JOBS ?= 1
DRY ?=
RECORDS ?= results/records
TRACKER ?= none
SET ?=
MODEL_DIMS ?= gpt2-medium
LATENCY ?=

.DEFAULT_GOAL := help
.PHONY: help setup lint test params audit glue-roberta table1 analyses clean

help: ## list the targets and their variables
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo 'variables      MODEL=$(MODEL) MODEL_PATH=folder DATA=folder TASKS="mrpc cola" METHODS="ft lora" SEEDS="0 1"'
	@echo '               RECIPE=paper|official|mini JOBS=1 DRY=1 RECORDS=folder TRACKER=none|wandb SET="recipe.epochs=2"'
	@echo '               PYTHON=python3 TORCH_INDEX=index with the torch build you want (default: the usual index)'

setup: $(VENV)/.installed ## make .venv from requirements.lock

# torch comes first, from its own index if one is given, so that the second step finds it there.
$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + ": make setup PYTHON=...")'
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)") "$$(grep '^torch==' requirements.lock)"
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

lint: setup ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: export OMP_NUM_THREADS = 1# two threads on a busy machine are slower than one
test: setup ## every test; no network, no GPU needed
	$(BIN)/python -m pytest

params: setup ## trainable parameters per method and backbone, no weights needed
	@$(BIN)/lora-repro params

audit: setup ## every parameter count that the paper prints, rebuilt on the meta device (a minute)
	@$(BIN)/lora-repro audit

glue-roberta: setup ## methods x tasks x seeds on GLUE, then the table; what is done is not run again
	@$(BIN)/lora-repro glue --model "$(MODEL)" --tasks "$(TASKS)" --methods "$(METHODS)" --seeds "$(SEEDS)" \
		 --jobs "$(JOBS)" --records "$(RECORDS)" --tracker "$(TRACKER)" \
		$(if $(RECIPE),--recipe "$(RECIPE)") $(if $(MODEL_PATH),--model-path "$(MODEL_PATH)") $(if $(DATA),--data "$(DATA)") $(if $(DRY),--dry) $(SET)

table1: setup ## latency of FT = merged LoRA, unmerged LoRA and adapters; MODEL_DIMS, LATENCY="--device cuda"
	$(BIN)/python experiments/table1_latency.py --model "$(MODEL_DIMS)" $(LATENCY)
	@$(BIN)/lora-repro analyse show

analyses: setup ## tables, figures and claims of section 7, latency and memory, from their records
	@$(BIN)/lora-repro analyse show

clean: ## remove caches and build products; records, runs and .venv stay
	rm -rf build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
	find lora_repro tests -name __pycache__ -type d -prune -exec rm -rf {} +

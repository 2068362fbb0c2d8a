# lora_repro: `make` lists the targets. Every target sets up what it needs, once.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH_INDEX ?=

# Studies: what is left empty is as the study's file in conf/studies says.
STUDY ?=
MODEL ?=
MODEL_PATH ?=
DATA ?=
TASKS ?=
METHODS ?=
SEEDS ?=
RECIPE ?=
JOBS ?=
DRY ?=
RECORDS ?= results/records
# What is rendered goes beside the records, and only the committed ones change the README.
RESULTS := $(patsubst %/,%,$(dir $(patsubst %/,%,$(RECORDS))))
RUNS ?= runs
TRACKER ?= none
SET ?=
MODEL_DIMS ?= gpt2-medium
LATENCY ?=
TEST_JOBS ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores < 8 ? cores : 8)))
FRONT_TABLE ?= glue_minilm-l6_mini

# LAUNCHER=slurm: what is left empty is as conf/launcher/slurm.yaml says.
LAUNCHER ?= local
PARTITION ?=
GPUS ?=
CPUS ?=
MEMORY ?=
TIME ?=
SBATCH ?=
SETUP ?=

TABLES := table2 table3 table4 table5 table6 table13 table14 table15 table16 table18 figure2

.DEFAULT_GOAL := help
.PHONY: help setup quickstart lint test params audit glue-roberta e2e-gpt2 webnlg-gpt2 dart-gpt2 $(TABLES) study plan \
	status wandb-sync tables figures claims report notebooks results table1 analyses clean

help: ## list the targets and their variables
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo 'tables         $(TABLES)'
	@echo 'variables      MODEL=roberta-base MODEL_PATH=folder DATA=folder TASKS="mrpc cola" METHODS="ft lora" SEEDS="0 1"'
	@echo '               RECIPE=paper|official|mini JOBS=1|auto DRY=1 RECORDS=folder RUNS=folder TRACKER=none|wandb'
	@echo '               SET="recipe.epochs=2 init_from=mnli"'
	@echo '               LAUNCHER=slurm PARTITION=name GPUS=1 CPUS=4 MEMORY=32G TIME=04:00:00 JOBS=50'
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

quickstart: setup ## every method on the embedded backbones and data: minutes on two cores, no network
	@$(BIN)/lora-repro quickstart

lint: setup ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: export OMP_NUM_THREADS = 1# two threads on a busy machine are slower than one
test: setup ## every test, TEST_JOBS files at a time; no network, no GPU needed
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder

params: setup ## trainable parameters per method and backbone, no weights needed, then the audit (below)
	@$(BIN)/lora-repro params
	@$(BIN)/lora-repro audit

audit: setup ## every parameter count that the paper prints, rebuilt on the meta device (a minute)
	@$(BIN)/lora-repro audit

# What makes the list of runs, and how they are carried out.
REQUEST = $(if $(MODEL),--model "$(MODEL)") $(if $(TASKS),--tasks "$(TASKS)") $(if $(METHODS),--methods "$(METHODS)") \
	$(if $(SEEDS),--seeds "$(SEEDS)") $(if $(RECIPE),--recipe "$(RECIPE)") $(if $(MODEL_PATH),--model-path "$(MODEL_PATH)") \
	$(if $(DATA),--data "$(DATA)") --records "$(RECORDS)" --runs "$(RUNS)" --tracker "$(TRACKER)"
EXECUTION = $(if $(JOBS),--jobs "$(JOBS)") $(if $(DRY),--dry) --launcher "$(LAUNCHER)" \
	$(if $(PARTITION),--partition "$(PARTITION)") $(if $(GPUS),--gpus "$(GPUS)") $(if $(CPUS),--cpus "$(CPUS)") \
	$(if $(MEMORY),--memory "$(MEMORY)") $(if $(TIME),--time "$(TIME)") $(if $(SBATCH),--sbatch="$(SBATCH)") \
	$(if $(SETUP),--setup "$(SETUP)")

glue-roberta: setup ## methods x tasks x seeds on GLUE, then the table; what is done is not run again
	@$(BIN)/lora-repro glue $(REQUEST) $(EXECUTION) $(SET)

e2e-gpt2: setup ## methods x seeds on E2E
	@$(BIN)/lora-repro study e2e $(REQUEST) $(EXECUTION) $(SET)

webnlg-gpt2: setup ## methods x seeds on WebNLG
	@$(BIN)/lora-repro study webnlg $(REQUEST) $(EXECUTION) $(SET)

dart-gpt2: setup ## methods x seeds on DART
	@$(BIN)/lora-repro study dart $(REQUEST) $(EXECUTION) $(SET)

$(TABLES): setup
	@$(BIN)/lora-repro study $@ $(REQUEST) $(EXECUTION) $(SET)

study: setup ## STUDY=table2-roberta-base, or any other file of conf/studies
	@$(BIN)/lora-repro study "$(STUDY)" $(REQUEST) $(EXECUTION) $(SET)

plan: setup ## STUDY=table2-roberta-base: every run, done, running, failed, missing or waiting, and the hours left
	@$(BIN)/lora-repro plan "$(STUDY)" $(REQUEST) $(SET)

status: setup ## all studies, one line each
	@$(BIN)/lora-repro status --runs "$(RUNS)"

wandb-sync: setup ## send the runs that were tracked offline to W&B; interrupted ones arrive as one run
	@$(BIN)/lora-repro wandb-sync --runs "$(RUNS)"

table1: setup ## latency of FT = merged LoRA, unmerged LoRA and adapters; MODEL_DIMS, LATENCY="--device cuda"
	$(BIN)/python experiments/table1_latency.py --model "$(MODEL_DIMS)" $(LATENCY)
	@$(BIN)/lora-repro analyse show

analyses: setup ## tables and figures of section 7, latency and memory, from their records: results/analysis
	@$(BIN)/lora-repro analyse show

tables: setup ## every table from the records (RECORDS=folder): the paper's with ours beside it, and those of small backbones
	@$(BIN)/lora-repro tables --records "$(RECORDS)" --out "$(RESULTS)/tables" \
	$(if $(filter results/records,$(RECORDS)),--front-page README.md --show $(FRONT_TABLE))

figures: setup ## every figure from the records, SVG and PNG
	@$(BIN)/lora-repro figures --records "$(RECORDS)" --out "$(RESULTS)/figures"

claims: setup ## the paper's claims, decided on the records: results/claims/claims.md
	@$(BIN)/lora-repro claims --records "$(RECORDS)" --out "$(RESULTS)/claims"

report: setup ## all of it in one HTML file: results/report/index.html
	@$(BIN)/lora-repro report --records "$(RECORDS)" --out "$(RESULTS)/report"

bench: setup ## training and decoding speed beside Hugging Face (MODEL_PATH=MiniLM-L6 DATA=GLUE; DEVICE=cuda; BENCH="--size roberta-base"): results/bench
	@test -n "$(MODEL_PATH)" -a -n "$(DATA)" || { echo 'error: make bench needs MODEL_PATH=folder of MiniLM-L6 and DATA=folder with GLUE'; exit 2; }
	@$(BIN)/python experiments/bench_training.py --model "$(MODEL_PATH)" --data "$(DATA)" $(if $(DEVICE),--device $(DEVICE)) $(BENCH)
	@$(BIN)/python experiments/bench_decoding.py $(if $(DEVICE),--device $(DEVICE))

notebooks: setup ## execute notebooks/*.ipynb and keep their outputs
	@$(BIN)/lora-repro notebooks notebooks

results: tables figures analyses claims report notebooks ## everything that is rendered from records

clean: ## remove caches and build products; records, runs and .venv stay
	rm -rf build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
	find lora_repro tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Everything here works in a fresh clone with nothing but Python 3.11 or newer and make:
# uv and the locked packages go into .uv/ and .venv/, state into .data/.

.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
CODE := services shared bench tests docs .ci
PYTEST_ARGS ?= --numprocesses=4 --dist=loadfile --no-loadscope-reorder

ONLINE_RETAIL_DIR ?= $(shell cd ../shared/data/online_retail 2>/dev/null && pwd)
ifneq ($(strip $(ONLINE_RETAIL_DIR)),)
export ONLINE_RETAIL_DIR
endif

# where it is set, each of the hundreds of processes that the tests start would compile our code anew
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run demo test check bench lint types imports migrations docs docs-check format clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

run: $(READY) ## start everything in one process on http://127.0.0.1:8000, state in .data/
	@exec $(BIN)/loyalty serve

demo: $(READY) ## feed the running system real purchases and sum them up
	@exec $(BIN)/loyalty demo

test: $(READY) ## pass the tests
	@exec $(BIN)/python -m pytest $(PYTEST_ARGS)

check: lint types imports migrations docs-check ## everything that must hold: style, types, layers, migrations, documents, tests
	@$(MAKE) --no-print-directory test

bench: $(READY) ## measure it on this machine; writes .data/bench.json
	@exec $(BIN)/python -m bench $(BENCH_ARGS)

lint: $(READY) ## ruff: rules and layout
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)

format: $(READY) ## let ruff lay out the code and repair what it can
	@$(BIN)/ruff check --fix $(CODE)
	@$(BIN)/ruff format $(CODE)

types: $(READY) ## mypy, strict
	@$(BIN)/python -m mypy

imports: $(READY) ## import-linter: services meet only through events, imports point inward
	@$(BIN)/lint-imports

migrations: $(READY) ## the migrations make the tables that the code describes
	@$(BIN)/python .ci/check_migrations.py

docs: $(READY) ## write the OpenAPI and AsyncAPI documents anew
	@$(BIN)/loyalty docs

docs-check: $(READY)
	@$(BIN)/loyalty docs --check

clean: ## remove what can be made again; never .data/
	rm -rf .venv .uv dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find services shared bench tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml uv.lock .ci/bootstrap.py
	@$(PYTHON) .ci/bootstrap.py
	@touch $@

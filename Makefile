# The commands of this project. `make` alone lists them.

# The newest Python that serves (3.11 or later); say PYTHON=/path/to/python to choose another.
PYTHON ?= $(shell for found in python3.13 python3.12 python3.11 python3; do \
	"$$found" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$found" && break; done)
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-algoitny demo-thrivecalc test dev check bench bench-dynamodb prove lock

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## Make .venv from requirements.lock; done already, it takes no time

demo: $(READY) ## From a seeded DynamoDB table to a verified SQL table, with a report
	@$(BIN)/billio demo

demo-algoitny: $(READY) ## From a Django project's PostgreSQL to three verified DynamoDB tables
	@$(BIN)/billio demo algoitny

demo-thrivecalc: $(READY) ## From JSON records in an object store to a verified DynamoDB table
	@$(BIN)/billio demo thrivecalc

test: $(READY) ## All tests but the few marked slow, on a stack and ports of their own
	@$(BIN)/python -m pytest -n 4 --dist worksteal -q -m "not slow"

dev: $(READY) ## The Dagster UI on http://127.0.0.1:3000, with data; Ctrl-C stops all of it
	@$(BIN)/billio dev

check: $(READY) ## ruff, mypy, lint of the generated DSQL statements, dg check defs
	@bash scripts/check

prove: $(READY) ## The fault matrix, at most an hour: docs/proof.md, docs/proof.json (ROWS="…" SEED=n)
	@PYTHONPATH=tests $(BIN)/python -m proof $(if $(ROWS),--rows $(ROWS)) $(if $(SEED),--seed $(SEED))

bench: $(READY) ## Speed beside limits and peers: docs/performance.md (SIZE=… ROUNDS=… ONLY="…" AGAIN=1)
	@$(BIN)/python -m benchmarks $(if $(SIZE),--size $(SIZE)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ONLY),--only $(ONLY)) $(if $(AGAIN),--again)

bench-dynamodb: $(READY) ## Speed into DynamoDB beside boto3 and awswrangler: docs/performance-dynamodb.md (ITEMS=… ROUNDS=…)
	@$(BIN)/python -m benchmarks.dynamodb $(if $(ITEMS),--items $(ITEMS)) $(if $(ROUNDS),--rounds $(ROUNDS))

lock: ## Resolve pyproject.toml anew into requirements.lock (needs uv)
	@bash scripts/lock

# The stamp is written last: an interrupted setup has none and is made anew.
$(READY): requirements.lock pyproject.toml
	@bash scripts/setup "$(PYTHON)"
	@touch $@

# Needs make, and Python 3.11 or later with pip. Everything else is brought along, in .venv.

PYTHON ?= python3
UV := uv>=0.9,<1
BIN := .venv/bin
READY := .venv/.ready
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup up test check bench schema crd chart-readme envtest servers capabilities hostile clean

help: ## Say what there is.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  ARGS="..." goes on to the command, as in: make up ARGS="--port 8001 --no-demo"'

setup: $(READY) ## Make the environment, with the locked dependencies.

$(READY): pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; name one: make PYTHON=python3.12")'
	@# uv first: once .venv has a python, it may be the first one in the caller's PATH, and it has no pip.
	@test -x .venv/uv/bin/uv || $(PYTHON) -m pip install --quiet --disable-pip-version-check --target .venv/uv "$(UV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip .venv
	UV_PYTHON_DOWNLOADS=never .venv/uv/bin/uv sync --frozen --python $(BIN)/python
	@touch $@

up: setup ## Run everything in the foreground, with its data in .tocsin.
	@exec $(BIN)/tocsin up --data-dir .tocsin --stop-with-parent $(ARGS)

test: setup ## Run the tests.
	$(BIN)/python -m pytest $(ARGS)

check: setup ## Check format, lint, types, imports, the committed schema and definition, and run the tests.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/python -m graphql_api.schema | diff -u graphql_api/schema.graphql - \
		|| { echo 'graphql_api/schema.graphql is stale: make schema'; exit 1; }
	@$(BIN)/python -m healthcheck_operator.crd | diff -u charts/tocsin/files/crds/healthchecks.yaml - \
		|| { echo 'charts/tocsin/files/crds/healthchecks.yaml is stale: make crd'; exit 1; }
	$(BIN)/python -m pytest $(ARGS)

schema: setup ## Write the GraphQL schema to graphql_api/schema.graphql.
	$(BIN)/python -m graphql_api.schema > graphql_api/schema.graphql

crd: setup ## Write the CustomResourceDefinition to charts/tocsin/files/crds.
	$(BIN)/python -m healthcheck_operator.crd > charts/tocsin/files/crds/healthchecks.yaml

chart-readme: setup ## Write the table of values into the chart's README.
	$(BIN)/python -m docs.make_chart_readme

bench: setup ## Measure, beside other programs that do the same.
	$(BIN)/python -m benchmarks $(ARGS)

envtest: setup ## Find or build what the tests on Kubernetes need, once, in ~/.cache/tocsin.
	@$(BIN)/python -m tests.kubernetes.envtest.build

servers: setup ## Install the real servers that tests want, where this is root on Debian; else say which.
	@$(BIN)/python -m tests.servers.install

capabilities: setup ## Print what each kind can say, with the tests that prove it.
	@$(BIN)/python -m docs.capabilities $(ARGS)

hostile: setup ## Play every trick of a hostile target on a probe, and print how each ended.
	@$(BIN)/python -m tests.hostile $(ARGS)

clean: ## Remove the environment and what tools left; the data in .tocsin stays.
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

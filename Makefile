# The few words of this repository. `make setup` is part of every other word, and does nothing twice.

PYTHON ?=
UV_VERSION := 0.13.8
BIN := .venv/bin
# Tests run in this many processes: they wait for servers more than they compute, so that two cores carry four.
JOBS ?= 4

.DEFAULT_GOAL := help
.PHONY: help setup demo test soak check bench docs lock clean

help: ## list these words
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

setup: .venv/.stamp ## make .venv with exactly the packages of requirements.lock

demo: setup ## run a whole migration of real text on an embedded Postgres
	@$(BIN)/limosa demo $(ARGS)

test: setup ## run all tests
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

soak: setup ## run the tests that take too long for every change
	@$(BIN)/python -m pytest -n $(JOBS) -m soak $(ARGS)

check: setup ## format, lint, types, layers
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup ## measure
	@$(BIN)/python -m bench $(ARGS)

docs: setup ## make the documentation's site in site/, and run its examples
	@$(BIN)/python -m tests.docs.python_page
	@$(BIN)/zensical build --strict --clean
	@$(BIN)/python -m pytest tests/docs $(ARGS)
	@echo "The site is there: site/index.html"

lock: setup ## bring requirements.lock in step with pyproject.toml (ARGS=--upgrade for newer versions)
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
		--no-emit-find-links --all-extras --group dev pyproject.toml -o requirements.lock $(ARGS)
	@$(MAKE) --no-print-directory setup

clean: ## remove .venv and all caches
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache .coverage* dist site
	@find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

# uv wants a folder for its cache. Where HOME is missing or cannot be written, it lies in .venv.
CACHE = $${UV_CACHE_DIR:-$$({ test -n "$$HOME" && mkdir -p "$$HOME/.cache/uv" && test -w "$$HOME/.cache/uv" && \
	echo "$$HOME/.cache/uv"; } 2>/dev/null || echo "$(CURDIR)/.venv/.cache")}
UV = UV_CACHE_DIR="$(CACHE)" UV_SYSTEM_CERTS=1 $(BIN)/uv

# The first interpreter that is new enough: the one named by PYTHON, python3, then those that carry their version.
FIND_PYTHON = for each in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$each" && break; done

.venv/.stamp: requirements.lock pyproject.toml
	@python=$$($(FIND_PYTHON)); \
	if test -z "$$python"; then \
		echo "limosa needs Python 3.11 or newer; found: $$(python3 --version 2>/dev/null || echo no python3)." >&2; \
		echo "Install one, or name it: make setup PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	if ! $(BIN)/python -c 'import pip' 2>/dev/null; then \
		"$$python" -m venv --clear .venv || { \
			echo "The module venv of $$python does not work. On Debian and Ubuntu: apt-get install python3-venv" >&2; \
			exit 1; }; \
	fi
	@$(BIN)/uv --version 2>/dev/null | grep -q '^uv $(UV_VERSION)\b' || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-cache-dir uv==$(UV_VERSION)
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

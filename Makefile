# Slugline's commands. Needs Python 3.11 or later, git and make; `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BASE ?= http://127.0.0.1:8000
SYSTEM_TOOLS := nginx chromium curl jq nodejs npm
COLLECTION := slugline.postman_collection.json
BENCH_TOOLS := nginx wrk openssl
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"

# Images of Python often set it: then every process that is started compiles all modules anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test e2e lint types conformance contract ledger bench smoke lock spec spec-check collection migrations-check certificate clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/runtime .env ## Start web and worker on 127.0.0.1:8000 (PORT=8001 for another port)
	@$(BIN)/flask db upgrade
	@exec $(BIN)/python deploy/supervise.py

test: $(VENV)/development ## Every test but those of `make e2e`, on SQLite and PostgreSQL (COVERAGE=1 measures branches, half as long again)
	@$(BIN)/python -m pytest tests --ignore=tests/system -m "not deployed" -n auto --dist worksteal \
		$(if $(COVERAGE),--cov=app --cov-branch --cov-report=term:skip-covered --cov-fail-under=95) $(ARGS)
	$(if $(COVERAGE),@$(BIN)/python -m coverage json -q -o - | $(BIN)/python -m tests.branches)

e2e: $(VENV)/development ## As it is deployed: make run, containers, Nginx, Chromium (needs Debian's nginx, chromium, curl, jq, nodejs, npm)
	@missing=; for tool in $(SYSTEM_TOOLS); do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
		[ -z "$$missing" ] || { echo "make e2e needs:$$missing (apt-get install$$missing)" >&2; exit 1; }
	@$(BIN)/python -m pytest tests/system tests/e2e -m deployed \
		-n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/development ## Style, formatting, the direction of imports, known insecure patterns
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/bandit -q -r app

types: $(VENV)/development ## mypy
	@$(BIN)/mypy

migrations-check: $(VENV)/development ## Migrations forward and back on both engines, and none missing
	@$(BIN)/python -m pytest tests/integration/test_migrations.py $(ARGS)

conformance: $(VENV)/development ## One table: what HTTP asks of every route of the API
	@$(BIN)/python -m pytest -q -s --show-capture=no tests/guards/test_conformance.py $(ARGS) 2>/dev/null

contract: $(VENV)/development ## Over 5,000 generated calls and scenarios, in each role: every answer is as openapi.json says
	@CONTRACT=full $(BIN)/python -m pytest -q --show-capture=no tests/contract/test_schemathesis.py \
		tests/contract/test_scenarios.py -n auto --dist worksteal $(ARGS)

ledger: $(VENV)/development ## 20,000 visits under 20 kill -9: each click counted exactly once
	@$(BIN)/python -m tests.ledger $(ARGS)

bench: $(VENV)/development ## Redirects of every entrance and what stands beside them, an hour or so (see bench/README.md)
	@missing=; for tool in $(BENCH_TOOLS); do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
		[ -z "$$missing" ] || { echo "make bench needs:$$missing (apt-get install$$missing)" >&2; exit 1; }
	@$(BIN)/python -m bench $(ARGS)

smoke: ## The main job against a running Slugline: BASE=https://go.example.org
	@$(PYTHON) deploy/smoke.py $(BASE)

spec: $(VENV)/development .env ## Write openapi.json anew from the code
	@$(BIN)/flask spec > openapi.json.new && mv openapi.json.new openapi.json

spec-check: $(VENV)/development ## openapi.json only grew since each version of it that main has had
	@$(BIN)/python -m tests.contract.promise

collection: ## Write slugline.postman_collection.json, for Postman and Bruno: BASE=https://go.example.org
	@$(PYTHON) deploy/collection.py $(BASE) < openapi.json > $(COLLECTION).new && mv $(COLLECTION).new $(COLLECTION)
	@echo "Wrote $(COLLECTION)."

lock: $(VENV)/development ## Lock the requirements anew (ARGS=--upgrade for newer versions)
	@$(LOCK) $(ARGS) requirements.in -o requirements.txt
	@$(LOCK) $(ARGS) requirements-dev.in -o requirements-dev.txt

certificate: nginx/tls/privkey.pem ## A throw-away certificate for docker compose on this machine

clean: ## Remove the virtual environment and caches; data in var/ and .env stay
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Slugline needs Python 3.11 or later,\
	 and $(PYTHON) is $$($(PYTHON) --version 2>&1 || true). Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# Stamps: a second run installs nothing, a changed lock installs again.
$(VENV)/runtime: requirements.txt | $(BIN)/python
	@echo "Installing what Slugline needs into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/development: requirements-dev.txt $(VENV)/runtime | $(BIN)/python
	@echo "Installing what the tests need into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# Made once, never overwritten: new secrets would end every session.
.env: | $(BIN)/python
	@umask 077; hex() { $(BIN)/python -c 'import secrets; print(secrets.token_hex(32))'; }; \
		printf 'FLASK_CONFIG=development\nSECRET_KEY=%s\nJWT_SECRET=%s\nPOSTGRES_PASSWORD=%s\n' "$$(hex)" "$$(hex)" "$$(hex)" > .env.new
	@mv -n .env.new .env
	@echo "Wrote .env with fresh secrets."

nginx/tls/privkey.pem:
	@mkdir -p nginx/tls
	@umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout nginx/tls/privkey.pem -out nginx/tls/fullchain.pem 2>/dev/null

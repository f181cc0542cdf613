# `make help` lists the targets. Another interpreter: make run PYTHON=python3.12
PYTHON ?= python3
JOBS ?= 8
BIN := .venv/bin
UV_FLAGS := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help run test lint format bench soak chaos lock release check-image check-install clean ready ready-dev

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "  make %-13s %s\n", $$1, $$2 }'

run: ready ## start everything, play a demo, stay up until Ctrl-C
	@exec $(BIN)/relay up

test: ready-dev ## run the whole suite against servers it starts itself, JOBS files at a time
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS) # dozens of processes compile once

lint: ready-dev ## ruff, formatting, mypy --strict, import rules, known vulnerabilities
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/audit requirements.lock

format: ready-dev ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: ready-dev ## measure against local stubs, and compare with other ways to do the same job
	@$(BIN)/python -m bench $(ARGS)

soak: ready-dev ## ten minutes under load with everything on, a minute without Redis; SECONDS=60 shortens it
	@$(BIN)/python -m bench.soak $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

chaos: ready-dev ## inject faults under load, count what arrived, write it into docs/reliability.md
	@$(BIN)/python -c 'import atheris' 2>/dev/null || \
		$(BIN)/python -m pip --disable-pip-version-check -q install --require-hashes --only-binary :all: \
			-r tests/chaos/requirements.lock >/dev/null 2>&1 || \
		echo "atheris cannot be installed here: a simpler mutator makes the bodies"
	@$(BIN)/python -m pytest tests/chaos -m chaos -s $(ARGS)

lock: ## renew the lock files from pyproject.toml and those of the benchmark's peers (needs uv and npm)
	@echo hatchling | uv pip compile $(UV_FLAGS) --extra up --extra postgres --extra otel pyproject.toml - -o requirements.lock
	@echo hatchling | uv pip compile $(UV_FLAGS) --extra dev -c requirements.lock pyproject.toml - -o requirements-dev.lock
	@uv pip compile $(UV_FLAGS) --extra postgres --extra otel -c requirements.lock pyproject.toml -o deploy/requirements.lock
	@echo hatchling | uv pip compile $(UV_FLAGS) -c requirements.lock - -o deploy/build.lock
	@cd bench/peers/fastapi_celery && uv pip compile $(UV_FLAGS) requirements.in -o requirements.lock
	@cd bench/peers/fastify_bullmq && npm install --package-lock-only --ignore-scripts --no-audit --no-fund --silent

release: ready-dev ## make release VERSION=1.2.3: version, changelog, tag; wheel, sdist, SBOM and checksums in dist/
	@$(BIN)/python -m scripts.release $(VERSION)

check-image: ready-dev ## run the steps of deploy/Dockerfile in a bare Debian (as root; two minutes)
	@$(BIN)/python -m scripts.check_image

check-install: ready-dev ## follow "Installing on Debian" of docs/operating.md word for word in a bare Debian (as root)
	@$(BIN)/python -m scripts.check_install

clean: ## remove the environment and caches, but not var/
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info

ready:
	@sh scripts/install "$(PYTHON)" requirements.lock

ready-dev:
	@sh scripts/install "$(PYTHON)" requirements-dev.lock

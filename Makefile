# make run, make test: see README.md. Everything lives in .venv beside this file.

# The first of these that is a working Python 3.11 or newer; PYTHON=… names another.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin/python
PIP := $(BIN) -m pip --disable-pip-version-check install -qq
PYTEST := $(BIN) -m pytest -p tests.left_out
PYTEST_ARGS ?=

.PHONY: run start stop restart roll status logs test lint format lock sbom help
.DEFAULT_GOAL := help

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 10

run: $(VENV)/installed ## prepare, then run web and runner in the foreground
	@exec $(BIN) -m resource_sync.start run

start: $(VENV)/installed ## the same in the background
	@exec $(BIN) -m resource_sync.start start

# Without preparing anything, and where .venv is broken without Python, too.
OF_WHAT_RUNS = if $(BIN) -c 'import dotenv, psutil' 2>/dev/null; \
	then $(BIN) -m resource_sync.start $(1); else sh deploy/stop.sh $(1); fi

stop: ## end what `make start` started
	@$(call OF_WHAT_RUNS,stop)

# What is to be installed is looked for before anything is stopped, and installed after.
restart: ## after an update; what runs comes to its end first
	@cmp -s requirements.txt $(VENV)/installed || ! $(BIN) -c 'import pip' 2>/dev/null || { \
		echo "Looking for the new requirements…"; \
		$(PIP) --dry-run -r requirements.txt; } || { \
		echo "Nothing was stopped: the requirements can't be installed." >&2; exit 1; }
	@$(call OF_WHAT_RUNS,let-end)
	@$(MAKE) --no-print-directory start

# New packages under processes that run would be loaded half old, half new.
roll: ## an update without a break: one process after another (WEB_PROCESSES=2)
	@cmp -s requirements.txt $(VENV)/installed || { \
		echo "The requirements have changed: use make restart." >&2; exit 1; }
	@$(BIN) -m resource_sync.start roll

status: ## what runs
	@$(call OF_WHAT_RUNS,status)

logs: ## follow the logs
	@$(call OF_WHAT_RUNS,logs)

test: $(VENV)/installed-dev ## the whole test suite; PYTEST_ARGS="-k name" narrows it
	@echo "--- SQLite"
	@$(if $(TEST_DATABASE_URL),TESTED_LATER=PostgreSQL) env -u TEST_DATABASE_URL $(PYTEST) $(PYTEST_ARGS)
ifneq ($(TEST_DATABASE_URL),)
	@echo "--- PostgreSQL: what has to do with a database"
	@TESTED_BEFORE=SQLite $(PYTEST) $(PYTEST_ARGS)
endif

# Settings as in production, for the checks that only then mean something.
PRODUCTION := HTTPS=on DEBUG=off ALLOWED_HOSTS=sync.example.com \
	SECRET_KEY=0123456789-only-for-the-checks-abcdefghijklmnopqrstuvwxyz

lint: $(VENV)/installed-dev ## format, lint, types, imports, templates, migrations
	$(BIN) -m ruff check
	$(BIN) -m ruff format --check
	$(PRODUCTION) $(BIN) -m mypy
	$(VENV)/bin/lint-imports --no-cache
	$(BIN) -m djlint --check --lint templates
	$(PRODUCTION) $(BIN) manage.py check
	$(PRODUCTION) $(BIN) manage.py check --deploy --fail-level WARNING
	$(PRODUCTION) $(BIN) manage.py makemigrations --check --dry-run

# For every Python from 3.11 and every platform, whatever this machine has. Each line
# says "CPython, not Windows" (tool.uv in pyproject.toml), and so none needs to.
EVERYWHERE = platform_python_implementation == 'CPython' and sys_platform != 'win32'
LOCK = $(BIN) -m uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
	--custom-compile-command 'make lock' $(1).in -o $(1).txt \
	&& sed -i.old -e "s/ and $(EVERYWHERE)//" -e "s/ ; $(EVERYWHERE)//" $(1).txt \
	&& rm $(1).txt.old

lock: $(VENV)/installed-dev ## requirements*.txt from requirements*.in, with digests
	@$(call LOCK,requirements)
	@$(call LOCK,requirements-dev)

sbom: $(VENV)/installed-dev ## sbom.json: what the product is made of, as CycloneDX
	@$(BIN) -m cyclonedx_py requirements requirements.txt --pyproject pyproject.toml \
		--output-reproducible --output-format JSON --output-file sbom.json

format: $(VENV)/installed-dev ## let the tools format
	$(BIN) -m ruff check --fix
	$(BIN) -m ruff format
	$(BIN) -m djlint --reformat --quiet templates

# The system's Python may have been replaced or removed under it.
ifneq ($(wildcard $(VENV)),)
ifneq ($(filter run start test lint format $(VENV)/%,$(MAKECMDGOALS)),)
ifneq ($(shell $(BIN) -c 'import pip; print("works")' 2>/dev/null),works)
$(info $(VENV) is broken (was Python replaced?); it is made anew.)
$(shell rm -rf $(VENV))
endif
endif
endif

$(BIN):
	@test -n "$(PYTHON)" || { \
		echo "Python 3.11 or newer (with its venv module) is needed, and none was found." >&2; \
		exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)…"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# Each stamp is the file that was installed: equal means nothing to do, whatever the
# clock or a checkout says about the files' times.
.PHONY: FORCE
$(VENV)/installed: FORCE | $(BIN)
	@cmp -s requirements.txt $@ || { \
		echo "Installing the requirements…"; \
		$(PIP) -r requirements.txt && cp requirements.txt $@; }

$(VENV)/installed-dev: FORCE | $(VENV)/installed
	@cat requirements.txt requirements-dev.txt | cmp -s - $@ || { \
		echo "Installing what the tests need…"; \
		$(PIP) -r requirements-dev.txt && cat requirements.txt requirements-dev.txt > $@; }

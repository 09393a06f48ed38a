# Every target sets up what it needs. `make setup` alone prepares .venv and the Debian packages for the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
ML_STAMP := $(VENV)/.ready-ml
PLANT_STAMP := $(VENV)/.ready-plant
DEV_STAMP := $(VENV)/.ready-dev
WEB_STAMP := src/holdfast/web/static/index.html
WEB_FILES := $(shell find web -path web/node_modules -prune -o -type f ! -name build.log -print)
ARGS ?=
# Compiled modules are kept: without them each of a thousand processes that the tests start compiles Holdfast anew.
unexport PYTHONDONTWRITEBYTECODE
# What lands is judged by its change, not by the dice: the whole suite takes the same inputs in the same order each
# time. New inputs are tried by `make check` on each run, and by `make prove`.
SAME := --hypothesis-profile=same --randomly-seed=1

.PHONY: help setup web demo check lint format test durations prove bench train lock clean

help:
	@echo "make demo    devices -> gateway -> hub with an outage; the ledger must balance (ARGS='--seconds 60')"
	@echo "make test    the whole suite            make check   format, lint, types, floors, unit tests"
	@echo "make bench   benchmarks with Mosquitto  make prove   the long proofs"
	@echo "make setup   prepare .venv and tools    make lock    renew the pinned requirements"
	@echo "make train   the models that ship, from the data sets (ARGS='--data DIR --check')"
	@echo "make web     build the pages (web/)"

$(STAMP): requirements/runtime.txt pyproject.toml
	@scripts/venv.sh "$(PYTHON)" "$(VENV)" requirements/runtime.txt
	@touch $@

$(ML_STAMP): $(STAMP) requirements/ml.txt
	@scripts/venv.sh "$(PYTHON)" "$(VENV)" requirements/ml.txt
	@touch $@

$(PLANT_STAMP): $(STAMP) requirements/plant.txt
	@scripts/venv.sh "$(PYTHON)" "$(VENV)" requirements/plant.txt
	@touch $@

$(DEV_STAMP): $(STAMP) requirements/dev.txt
	@scripts/venv.sh "$(PYTHON)" "$(VENV)" requirements/dev.txt
	@scripts/debian.sh mosquitto mosquitto-clients prometheus strace chromium fonts-dejavu-core \
		mbpoll libcoap3-bin socat dbus
	@touch $@

$(WEB_STAMP): $(WEB_FILES) scripts/build_web.sh requirements/web.txt | $(STAMP)
	@scripts/build_web.sh "$(VENV)"
	@touch $@

setup: $(DEV_STAMP) $(WEB_STAMP)

web: $(WEB_STAMP)

demo: $(if $(findstring plant,$(ARGS)),$(PLANT_STAMP),$(ML_STAMP)) $(WEB_STAMP)
	@$(BIN)/holdfast demo $(ARGS)

format: $(DEV_STAMP)
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: $(DEV_STAMP) $(WEB_STAMP)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

check: lint
	@scripts/in_ram.sh $(BIN)/pytest -q -n 2 tests/unit tests/architecture -m "not slow and not long"

test: lint
	@scripts/in_ram.sh $(BIN)/pytest -q -n 2 $(SAME) tests/unit tests/architecture tests/powerloss -m "not slow"
	@$(BIN)/pytest -q -n 2 $(SAME) --dist loadfile --no-loadscope-reorder tests/system -m "not slow"

# Which unit tests are too long for `make check`: measured anew.
durations: $(DEV_STAMP) $(WEB_STAMP)
	@scripts/in_ram.sh $(BIN)/pytest -q -n 2 -vv --durations=0 tests/unit -m "not slow" | \
		$(BIN)/python -m scripts.long_tests

prove: $(DEV_STAMP)
	@$(BIN)/pytest tests -m slow --timeout 3600

bench: $(DEV_STAMP)
	@$(BIN)/python -m benchmarks $(ARGS)

train: $(DEV_STAMP)
	@for model in occupancy bearing pump; do OMP_NUM_THREADS=1 $(BIN)/python -m training.$$model $(ARGS) || exit 1; done

lock: $(DEV_STAMP)
	@scripts/lock.sh "$(BIN)"

clean:
	@rm -rf $(VENV) web/node_modules src/holdfast/web/static out .mypy_cache .ruff_cache .pytest_cache .hypothesis

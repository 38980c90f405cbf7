# make reproduce   set up, run a campaign (CAMPAIGN=quick), end with its report
# make figures     set up, report and figures of the shipped results (CAMPAIGN=reference)
# make plan        set up, predict hours and disk of a campaign (CORES=..., STEPS_PER_SECOND=...)
# make test        set up, run the tests
# make lab         set up, open JupyterLab
# make docs        set up, build the documentation: build/docs/index.html
# make lint        set up, check style and types
# make fuzz        set up, try 12,000 spoilt campaigns, potentials and results
# make drill       set up, break runs in every way and compare their frames (25 minutes)

PYTHON   ?= python3
CAMPAIGN ?= quick
PROFILE  ?= local
VENV     := .venv
BIN      := $(VENV)/bin
UV_INSTALL = UV_LINK_MODE=copy $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes

.PHONY: setup reproduce figures plan test fuzz drill lab docs lint lock

setup: $(VENV)/.ready

# The environment, from the lock; made again when the lock changes
# uv takes less than half the time; where it cannot install (no wheel of it, another index), pip does.
# Both compile what they install: where PYTHONDONTWRITEBYTECODE is set, as in many containers, each
# step of a campaign would otherwise compile it again, for two to three seconds
$(VENV)/.ready: requirements.txt requirements-uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11, 3.12 or 3.13 is needed; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12") if not (3, 11) <= sys.version_info < (3, 14) else None'
	$(PYTHON) -m venv $(VENV)
	@echo "installing the packages of requirements.txt into $(VENV): half a minute to two, by network and machine"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt \
	    && $(UV_INSTALL) -r requirements.txt \
	    || { echo "uv cannot install them here; trying pip, which takes some minutes"; false; } \
	    || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

reproduce: setup
	@$(BIN)/llzo run $(CAMPAIGN) --profile $(PROFILE)

# Report and figures of what is shipped in data/, or was run; SVG and PDF need a Chromium or Chrome
figures: CAMPAIGN = reference
figures: setup
	-@$(BIN)/llzo figures $(CAMPAIGN)
	@$(BIN)/llzo report $(CAMPAIGN)

plan: setup
	@$(BIN)/llzo plan $(CAMPAIGN) $(if $(CORES),--cores $(CORES)) \
	    $(if $(STEPS_PER_SECOND),--steps-per-second $(STEPS_PER_SECOND))

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

fuzz: setup
	PYTHONPATH=tests $(BIN)/python -m fuzz

drill: setup
	$(BIN)/python tests/drill/drill.py

# Jupyter asks for this option of root, who is the only user of many containers
lab: AS_ROOT = $(if $(filter 0,$(shell id -u)),--allow-root)
# Opens the start page; git ignores outputs in notebooks, which stay in the files
lab: setup
	@git config filter.without-outputs.clean "$(BIN)/python -m llzo_helpers.lab.without_outputs" 2>/dev/null || true
	$(BIN)/jupyter lab $(AS_ROOT) --LabApp.app_settings_dir=notebooks/.jupyterlab --LabApp.default_url=/lab/tree/notebooks/README.md

# With the results of CAMPAIGN, where it has been run, else with those that are shipped
docs: setup $(VENV)/.docs-ready
	@CAMPAIGN=$(CAMPAIGN) $(BIN)/python docs/build.py
	@echo "open build/docs/index.html"

# What only the documentation needs; in the versions of the lock where that has them
$(VENV)/.docs-ready: $(VENV)/.ready requirements-docs.txt
	@$(UV_INSTALL) -r requirements-docs.txt \
	    || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.txt
	@touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m numpydoc lint $$(git ls-files "llzo_helpers/*.py")

# The results hold hashes and no addresses
lock: setup
	echo uv | $(BIN)/uv pip compile - --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --quiet --custom-compile-command "make lock" -o requirements-uv.txt
	$(BIN)/uv pip compile pyproject.toml --extra test --universal --python-version 3.11 --generate-hashes \
	    --no-strip-extras --no-emit-index-url --quiet --custom-compile-command "make lock" -o requirements.txt
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' \
	    | $(BIN)/uv pip compile - --constraints requirements.txt --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --quiet --custom-compile-command "make lock" -o requirements-docs.txt

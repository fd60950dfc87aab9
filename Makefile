# Two commands for a person: `make run` and `make test`. Everything lives in .venv; see README for the plain pip equivalents.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: run venv test lint bench findings docs clean browser

run: venv
	$(BIN)/laf dashboard

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(STAMP)

browser:
	@sh tests/browser/install.sh

PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile

# the browser's tests come after the others: a page beside processes that compute keeps a person waiting
test: venv browser
	$(BIN)/python -m pytest -m "not browser" $(PARALLEL)
	$(BIN)/python -m pytest -m browser

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: venv browser
	$(BIN)/python -m benchmarks $(if $(DATA),--data-dir $(DATA))

# docs/findings.md, its figures and every number in it; studies that are kept are not run again
findings: venv
	$(BIN)/python assets/make_findings.py $(if $(DATA),--data-dir $(DATA))

# docs/api from the source's docstrings; it needs no environment
docs:
	$(PYTHON) assets/make_api.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis test-output

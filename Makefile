# The two main commands are `make run` and `make test`. Everything is in .venv; README has the plain pip equivalents.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: run venv test test-rest test-browser warm lint bench gpu-check findings docs site clean browser

run: venv
	$(BIN)/laf dashboard

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(STAMP)

browser:
	@sh tests/browser/install.sh

# Tests start dozens of processes. Each would compile the project anew if none of them kept the bytecode.
unexport PYTHONDONTWRITEBYTECODE

# Idle workers take over tests of busy ones, so that the longest file does not end alone.
PARALLEL := --dist worksteal --numprocesses auto --maxprocesses

test: test-rest test-browser

test-rest: venv
	$(BIN)/python -m pytest -m "not browser" $(PARALLEL) 4

# The browser's tests run apart: each of their workers has a server and a Chromium of its own.
test-browser: venv browser
	$(BIN)/python -m pytest tests/browser -m browser $(PARALLEL) 2

# What Python and numba compile is kept beside the sources. Once here saves it in each process of the tests that begin together.
warm: venv
	$(BIN)/python -c "from core.models import pooled_conv_kernels; from core.projection import umap_layout; umap_layout.warm_up()"
	$(BIN)/python -c "import dashboard.cli.run, dashboard.server.serving, streamlit.web.bootstrap, plotly.graph_objects, hypothesis"

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: venv browser
	$(BIN)/python -m benchmarks $(if $(DATA),--data-dir $(DATA))

# at most six minutes on any machine with CUDA and torch; no .venv is made, so that a borrowed machine needs no installation
gpu-check:
	$(PYTHON) -m benchmarks.gpu_check $(if $(DATA),--data-dir $(DATA))
	@if $(PYTHON) -c "import pytest, streamlit" 2>/dev/null; then $(PYTHON) -m pytest -q -m gpu tests/core/methods/test_gpu.py; \
	else echo "Left out: the gpu tests, which need pip install -e '.[dev]'"; fi

# docs/findings.md with its figures and numbers; a study that is complete is not run again
findings: venv
	$(BIN)/python assets/make_findings.py $(if $(DATA),--data-dir $(DATA))

# docs/api from the source's docstrings
docs: venv
	$(BIN)/python assets/make_api.py

# the static site in site/: lessons and runs to replay, findings, documents; about a quarter of an hour on two busy cores
site: venv
	$(BIN)/python assets/make_site.py

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis test-output

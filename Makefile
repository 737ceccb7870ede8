# What you can ask of this repository; `make` lists it. CI runs the same targets (.ci/run).
# A target whose tools are missing says which, and what to install.
.DEFAULT_GOAL := help
SHELL := /bin/bash
# Override to choose another interpreter: make setup PYTHON=python3.12
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3) python3)
BIN := .venv/bin
WASM := node_modules/.stamp
ARGS ?=
# Test files at a time, each with its own servers. In their order: the long ones come first and the many short ones fill the end.
JOBS ?= 2

.PHONY: help setup servers demo test long check gen firmware bench clean

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.stamp .typings/.stamp $(WASM) ## .venv with everything, type stubs, the 32-bit VM (quick when up to date)

servers: .venv/.stamp ## the servers and the browser that tests and benches talk to, from Debian's packages (root) and in .servers
	@tools/servers

demo: .venv/.stamp ## a small city, sensed live: open the address that it prints
	@$(BIN)/pantau demo $(ARGS)

test: setup servers ## the short tier: unit, dual (three interpreters), scenarios, real servers
	@$(BIN)/pytest -m "not long" -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

long: setup servers ## the sweeps and hunts
	@$(BIN)/pytest -m long --timeout=3600 $(ARGS)
	@$(BIN)/pytest tests/properties --hypothesis-profile=long --timeout=3600

check: setup ## format, lint, types, imports, generated files, both VMs, wheel
	@$(BIN)/python tools/check.py $(ARGS)

gen: .venv/.stamp ## regenerate what schemas/*.toml, boards.py and the sinks define, and format
	@$(BIN)/python schemas/generate.py
	@$(BIN)/python tools/wiring.py
	@$(BIN)/python tools/sinks_doc.py
	@$(BIN)/ruff format --quiet .

firmware: .venv/.stamp ## dist/firmware: the compiled node, laid out as a board's file system
	@$(BIN)/python tools/firmware.py dist/firmware

bench: .venv/.stamp ## bytes per record and codec cost
	@$(BIN)/pantau bench wire $(ARGS)

clean: ## remove what setup and the tools made
	rm -rf .venv .typings node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist

# The stamps carry the time of the last complete run, so a broken one is repeated.
.venv/.stamp: pyproject.toml constraints.txt tools/setup
	@tools/setup venv "$(PYTHON)"

.typings/.stamp: constraints.txt tools/setup | .venv/.stamp
	@tools/setup typings

$(WASM): package.json tools/setup
	@tools/setup wasm

# `make run` shows the storm, `make test` is the whole gate. Both set themselves up: the first call makes .venv, later ones
# need no network. Works with GNU make from 3.81 on.

PYTHON ?= python3
VENV   ?= .venv
PY      := $(VENV)/bin/python

export PYTHON VENV

.PHONY: help run test lint bench nightly readme validation constraints clean set-up set-up-run

help:
	@echo 'make run          install what is needed, run the reboot storm, show its verdict'
	@echo 'make test         the whole gate: format, lint, types, import contracts, dependencies, tests'
	@echo 'make lint         the gate without the tests'
	@echo 'make bench        figures of this machine beside a peer'
	@echo 'make nightly      long campaigns, run by hand'
	@echo 'make readme       write the output of the commands in README.md into it'
	@echo 'make validation   write docs/validation.md from the figures of the tests'
	@echo 'make constraints  resolve the pinned versions again'
	@echo 'make clean        remove everything that can be made again, but no run'

set-up:
	@sh .ci/set-up dev

set-up-run:
	@sh .ci/set-up run

run: set-up-run
	@status=0; $(VENV)/bin/twinstorm run reboot-storm --seed 42 || status=$$?; \
	echo; echo 'The same on screen: $(VENV)/bin/twinstorm tui reboot-storm'; exit $$status

lint: set-up
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy -p twinstorm -p tests -p benchmarks -p examples
	$(VENV)/bin/lint-imports --no-logo
	$(PY) -m deptry .

# Tests in virtual time share the cores. Those that use real sockets and the wall clock run after them: they mostly wait,
# so four at a time; the few that a slow machine made fail are played again, alone.
test: lint
	$(PY) -m pytest -n 2 --dist loadfile --ignore=tests/live
	$(PY) -m pytest -n 4 --cache-clear tests/live || sh .ci/again $$?

bench: set-up
	@status=0; for name in $$($(VENV)/bin/twinstorm bench); do \
	  $(VENV)/bin/twinstorm bench $$name || status=1; \
	done; exit $$status

nightly: set-up
	TWINSTORM_HYPOTHESIS=explore $(PY) -m pytest -m "nightly or campaign" -n 2 --timeout 7200

readme: set-up
	TWINSTORM_WRITE_README=1 $(PY) -m pytest -q tests/house/test_readme.py

# One file for every Python from 3.11 on and every system. It names versions only, never where they come from.
validation: set-up
	$(PY) -m tests.validation.page

constraints: set-up
	$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --upgrade --all-extras \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	  --output-file constraints.txt pyproject.toml

clean:
	rm -rf $(VENV) .links build dist *.egg-info .coverage
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

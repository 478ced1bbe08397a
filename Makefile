# Two commands for a fresh machine: `make demo` and `make test`. Everything lives in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo demo-train test check bench proof chaos clean

.venv/core: pyproject.toml
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/full: .venv/core
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[deepspeed,ray]' --group test --group check
	touch $@

demo: .venv/core
	$(BIN)/python -m chimed.demo

demo-train: .venv/full
	$(BIN)/python -m qilin_stages.demo

test: .venv/full
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: .venv/full
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/chimed schema --check

bench: .venv/full
	$(BIN)/python benchmarks/run.py

proof: .venv/full
	$(BIN)/python benchmarks/proof.py

chaos: .venv/full
	$(BIN)/python benchmarks/chaos.py

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Entrepot's commands. `make run` serves; `make test` tests; `make help` lists the rest. CONTRIBUTING.md says when to use which.
# The variables below are set on make's command line: make run PORT=5001 DATA=/srv/entrepot

PORT = 5000
DATA = ./data
YES =
PYTHON =
PYTEST_ARGS = -n 3 --dist loadfile
BENCH_ARGS =
MUTANTS_ARGS =

# python.sh finds a Python for what must run before the environment exists; VENV is the environment's own.
export PYTHON YES
SYSTEM_PYTHON = sh tools/run/python.sh
VENV = .venv/bin/python
PYTEST = $(VENV) -m pytest $(PYTEST_ARGS)

.DEFAULT_GOAL = help
.PHONY: help run stop check test-fast test test-long bench mutants conformance-pin lock screenshots \
        environment environment-dev agreed agreed-bench tools tools-long tools-bench
.NOTPARALLEL:

help: ## list these commands
	@echo "Usage: make COMMAND [VARIABLE=VALUE]..."
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-24s %s\n", $$1, $$2 }'

run: ## serve on http://localhost:5000 (PORT=, DATA=, PYTHON=)
	@$(SYSTEM_PYTHON) -m tools.run.launch --port '$(PORT)' --data '$(DATA)'

stop: ## stop what `make run` started (DATA= if it was given there)
	@$(SYSTEM_PYTHON) -m tools.run.stop --data '$(DATA)'

check: environment-dev ## lint, types, import contracts, sizes and house rules
	@$(VENV) -m ruff check --quiet
	@$(VENV) -m ruff format --quiet --check
	@$(VENV) -m mypy --no-error-summary
	@told=$$(.venv/bin/lint-imports --no-logo 2>&1) || { echo "$$told"; exit 1; }
	@$(VENV) -m tools.shape --check
	@$(VENV) -m tools.house

test-fast: check ## check, then the fast tier, in under a minute
	$(PYTEST) -m fast

test: agreed check tools ## check, then all but the long tests (YES=1 answers the question about installing)
	$(PYTEST) -m "not long"

test-long: agreed check tools tools-long ## check, then every test with its full counts
	ENTREPOT_TEST_COUNTS=long $(PYTEST)

bench: agreed-bench environment-dev tools-bench ## run the benchmarks and print their table (BENCH_ARGS=)
	@$(VENV) -m bench $(BENCH_ARGS)

mutants: agreed environment-dev tools ## plant faults and count those the tests notice (MUTANTS_ARGS=)
	@$(VENV) -m tools.mutants $(MUTANTS_ARGS)

conformance-pin: environment-dev ## move the pin of the OCI conformance suite to its newest commit
	@$(VENV) -m tools.testbed move-conformance-pin

screenshots: environment-dev tools ## take the pictures in docs/screenshots anew, of a demo hub
	@$(VENV) -m tools.screens

lock: environment-dev ## compile requirements/ from pyproject.toml anew
	@$(VENV) -m tools.lock

environment:
	@$(SYSTEM_PYTHON) -m tools.run.environment run

environment-dev:
	@$(SYSTEM_PYTHON) -m tools.run.environment dev

# Asked before anything is installed; after that, what is missing comes into a folder of its own and nothing is started.
agreed:
	@$(SYSTEM_PYTHON) -m tools.run.consent test

agreed-bench:
	@$(SYSTEM_PYTHON) -m tools.run.consent bench

tools: environment-dev
	@$(SYSTEM_PYTHON) -m tools.testbed install --group test

tools-long: environment-dev
	@$(SYSTEM_PYTHON) -m tools.testbed install --group long

tools-bench: environment-dev
	@$(SYSTEM_PYTHON) -m tools.testbed install --group bench

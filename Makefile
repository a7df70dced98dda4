# Every target sets itself up: Python 3.11 or newer is all it takes. `make PYTHON=python3.12 test` chooses one.
# ARGS goes to the command: `make test ARGS='tests/vm -x'`.

export PYTHON
ARGS ?=
SOAK ?= --minutes 10
CHAOS ?= --minutes 3 --runs 167
VERSIONS ?= 14 16 17 18
WORLDS ?= sqlite http postgres redis
BENCHMARKS ?= floor vm sequential fanout throughput fair resume payload crash idle idle_worker cli warm codec
PY := .venv/bin/python

.PHONY: help
help: ## list the targets
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /\1|/' | while IFS='|' read -r name what; do \
		printf '  make %-12s %s\n' "$$name" "$$what"; done

.PHONY: demo
demo: .venv/.installed ## forty orders in two languages, two SIGKILLs; every order is charged once
	@.venv/bin/torpor warm
	$(PY) -m examples.orders.demo $(ARGS)

.PHONY: test
test: .venv/.installed ## run the tests; ARGS='tests/vm -x' for some of them
	@.venv/bin/torpor warm
	$(PY) -m pytest -n 2 --dist worksteal $(ARGS)

.PHONY: full
full: .venv/.installed ## run the tests of the full Python guest, with numpy and the like: compiles for a minute
	@.venv/bin/torpor warm --full
	$(PY) -m pytest --full tests/guests/cpython tests/guests/test_protocols.py tests/engine/test_full_guest.py $(ARGS)

.PHONY: long
long: .venv/.installed ## run the tests that `make test` leaves out because they take long
	@.venv/bin/torpor warm
	$(PY) -m pytest -n 2 --dist worksteal --long -m long $(ARGS)

.PHONY: interpreters
interpreters: .venv/.installed ## test with every other Python that this machine has
	@scripts/interpreters $(ARGS)

.PHONY: conformance
conformance: .venv/.installed ## run CPython's own tests in the Python guest; ARGS='test_json test_asyncio.test_locks' for some
	@.venv/bin/torpor warm
	$(PY) -m conformance $(ARGS)

.PHONY: crash
crash: .venv/.installed ## kill, freeze and starve workers for half an hour; SOAK='--minutes 60 --world http'
	@.venv/bin/torpor warm
	$(PY) -m pytest tests/crash --rounds 20 $(ARGS)
	$(PY) -m tests.crash.soak $(SOAK)

.PHONY: chaos
chaos: .venv/.installed ## torment 500 runs on each durable world and its servers; WORLDS=postgres CHAOS='--minutes 10 --seed 7'
	@.venv/bin/torpor warm
	@set -e; for world in $(WORLDS); do echo "── $$world"; $(PY) -m tests.crash.soak --world $$world $(CHAOS); done

.PHONY: hostile
hostile: .venv/.installed ## run 143 hostile programs as tenants' texts beside neighbours, and print what became of them
	@.venv/bin/torpor warm
	$(PY) -m tests.hostile $(ARGS)

.PHONY: failover
failover: .venv/.installed ## let database servers be cut, restarted, killed and replaced under load, many times
	@.venv/bin/torpor warm
	TORPOR_TEST_SERVERS=required $(PY) -m pytest tests/servers --rounds 20 $(ARGS)

.PHONY: simulate
simulate: .venv/.installed ## simulate ten thousand worlds in which everything goes wrong; ARGS='--seed 184' for the story of one
	$(PY) -m torpor.testing.simulation --seeds 10000 $(ARGS)

.PHONY: programs
programs: .venv/.installed ## let random programs run in real guests, and judge them by a model; ARGS='--seed 17' for one
	@.venv/bin/torpor warm
	$(PY) -m torpor.testing.programs --seeds 500 $(ARGS)

.PHONY: remote
remote: .venv/.installed ## run the whole conformance suite of worlds against a world behind a URL
	TORPOR_TEST_REMOTE=whole $(PY) -m pytest tests/worlds/test_http.py $(ARGS)

.PHONY: postgres
postgres: .venv/.installed ## test all that workflows do on a world in Postgres
	$(PY) -m pytest tests/semantics --world postgres --long $(ARGS)

.PHONY: redis
redis: .venv/.installed ## test all that worlds and workflows do on a world in Redis
	$(PY) -m pytest tests/worlds/test_redis.py tests/worlds/test_redis_connection.py tests/servers/test_redis.py tests/semantics --world redis --long $(ARGS)

.PHONY: container
container: .venv/.installed ## build the Dockerfile of docs/containers.md and run a worker in it; takes root, buildah and mmdebstrap
	$(PY) scripts/container.py

.PHONY: frameworks
frameworks: .venv/.installed ## test the integrations of all eleven web frameworks; ARGS='-k sanic' for one
	@$(PY) -c 'import blacksheep, falcon, litestar, quart, sanic, tornado' 2>/dev/null || $(PY) -m pip install --quiet --editable '.[frameworks]'
	@.venv/bin/torpor warm
	$(PY) -m mypy src/torpor/integrations examples/frameworks
	TORPOR_TEST_FRAMEWORKS=all $(PY) -m pytest tests/integrations $(ARGS)

.PHONY: sdk
sdk: .venv/.installed ## run the end-to-end cases of the TypeScript Workflow SDK, which npm fetches; ARGS='--world sqlite --version 4'
	@.venv/bin/torpor warm
	$(PY) -m tests.sdk $(ARGS)
	$(PY) -m pytest -q --long tests/sdk/test_world.py tests/sdk/test_web.py tests/sdk/test_suite.py tests/docs/test_torpor_world.py

.PHONY: versions
versions: .venv/.installed ## test worlds in other versions of Postgres; VERSIONS='14 17'
	$(PY) -m tests.servers.versions $(VERSIONS)

.PHONY: lint
lint: .venv/.installed ## check style and types
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

.PHONY: format
format: .venv/.installed ## let ruff repair what it can
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

.PHONY: bench
bench: .venv/.installed ## run the benchmarks; BENCHMARKS='vm codec' ARGS=--quick for less
	@set -e; for name in $(BENCHMARKS); do echo "── $$name"; $(PY) -m benchmarks $$name $(ARGS); done

.PHONY: docs
docs: .venv/.installed ## make the site of the documentation in site/; a warning is an error
	@$(PY) -c 'import furo, myst_parser' 2>/dev/null || $(PY) -m pip install --quiet --editable '.[docs]'
	$(PY) -m sphinx -b html --fail-on-warning --keep-going --quiet docs site
	@echo "── site/index.html is the first page"

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf .venv .interpreters .demo dist build site docs/commands.md .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/.installed: pyproject.toml hatch_build.py $(wildcard slimming/*.py) scripts/setup
	@scripts/setup

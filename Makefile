# `make` alone lists the targets. Arguments pass through: make demo ARGS="--output json"
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=
TRANSPORT ?= python
CASES  ?= 100000
PROFILE ?= kills
SEEDS  ?= 1
VERSION ?= 0.1.0

.DEFAULT_GOAL := help
.PHONY: help install test check lint types unit acceptance chaos planted planted-quick late-requests chaos-long verifiers demo bench bench-all bench-growth docs clean fuzz fuzz-quick sanitize tools watch test-deploy compose namespaces image images container constraints wheel wheel-test

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(VENV)/.installed  ## make .venv and install everything into it

$(VENV)/.installed: pyproject.toml $(wildcard setup.py stream/avro/*.pyx stream/avro/*.pxd stream/kafka/native/*.pyx stream/kafka/native/*.pxd)
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

test: lint types unit fuzz-quick acceptance chaos planted-quick  ## everything CI runs: lint, types, unit, some fuzzing, acceptance, a short chaos run, some planted bugs

lint: install  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check: lint types  ## lint, types, and what `stream check` says of each pipeline
	@for file in pipelines/*.yaml; do $(BIN)/stream check $$file > /dev/null || exit 2; done

types: install  ## mypy --strict
	$(BIN)/mypy

unit: install  ## no network, no sleep
	$(BIN)/pytest tests/unit $(ARGS)

tools:  ## Prometheus, promtool, Alertmanager and kubectl, for the tests and make watch
	@deploy/tools.sh
	@deploy/kubectl.sh

acceptance: install tools  ## whole processes on a real Apache Kafka
	@# whole processes on a slow machine miss a deadline now and then: what failed runs once more, by itself, in plain
	@# sight. The chaos tests, which judge the guarantees under faults, get no second try.
	@# make acceptance TRANSPORT=native: the same on the other transport
	export STREAM_TRANSPORT=$(TRANSPORT); $(BIN)/pytest tests/acceptance $(ARGS) || $(BIN)/pytest tests/acceptance --last-failed --last-failed-no-failures none $(ARGS)

chaos: install  ## kills, pauses and broker stops, seeded, short
	STREAM_TRANSPORT=$(TRANSPORT) $(BIN)/pytest tests/chaos $(ARGS)

planted: install  ## each rule of the loop taken out once, and the harm found (about 10 minutes; five of them in make test)
	$(BIN)/pytest tests/planted $(ARGS)

planted-quick: install
	$(BIN)/pytest tests/planted -m quick $(ARGS)

chaos-long: install  ## the long runs of docs/reliability.md: make chaos-long PROFILE=kills SEEDS=1..4
	$(BIN)/python tests/chaos/long.py $(PROFILE) --seeds $(SEEDS) $(ARGS)

late-requests: install  ## late transactional requests by the hundred, with the guard and without it (about an hour)
	PYTHONPATH=tests $(BIN)/python -m chaos.late_requests guard --trials 40 $(ARGS)
	PYTHONPATH=tests $(BIN)/python -m chaos.late_requests off signals harmless untried --trials 5 $(ARGS)
	PYTHONPATH=tests $(BIN)/python -m chaos.late_requests.healthy

verifiers: install  ## Kafka's own copier and a worker in its place, under the same kills
	$(BIN)/python tests/chaos/verifiers.py $(ARGS)

watch: install tools  ## the demonstration with Prometheus, Alertmanager and the boards, until Ctrl-C; no Docker
	$(BIN)/python -m deploy.monitoring.watch $(ARGS)

test-deploy: install tools namespaces  ## the compose file's services by hand (Linux, as root); every alert driven by its cause (15 minutes)
	$(BIN)/pytest tests/compose tests/deploy $(ARGS)

namespaces:
	@for tool in ip unshare nsenter setpriv curl wget; do command -v $$tool > /dev/null || missing=yes; done; \
	test -z "$$missing" || (apt-get update -qq && apt-get install -y -qq --no-install-recommends iproute2 util-linux curl wget)

compose: install tools namespaces  ## the compose file's services by hand, without Docker (Linux, as root)
	$(BIN)/pytest tests/compose $(ARGS)

image:  ## the container image, by docker: stream-inference:0.1.0 and :latest (VERSION=...)
	docker build -f deploy/Dockerfile --target worker --build-arg VERSION=$(VERSION) \
		-t stream-inference:$(VERSION) -t stream-inference:latest $(ARGS) .

images: image  ## and the one with the demonstration's flights
	docker build -f deploy/Dockerfile --target demo --build-arg VERSION=$(VERSION) -t stream-inference-demo:$(VERSION) $(ARGS) .

container: install  ## the image built by buildah and run by podman: real events, kills, replacement (Debian, as root)
	@for tool in buildah mmdebstrap podman runc; do command -v $$tool > /dev/null || missing="$$missing $$tool"; done; \
	test -z "$$missing" || (apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing)
	$(BIN)/pytest tests/container -s --timeout=900 $(ARGS)

constraints: install  ## the libraries of the image, pinned to what is installed here
	$(BIN)/python deploy/constraints.py

wheel: install  ## the source distribution and a wheel for this Python, in dist/
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	@# the tag says which Linux it runs on, as far as this machine's C library allows; the release has older ones
	test "$$(uname -s)" != Linux || (PATH="$(abspath $(BIN)):$$PATH" $(BIN)/auditwheel repair --strip --wheel-dir dist dist/*-linux_*.whl && rm dist/*-linux_*.whl)
	@ls -l dist

wheel-test: install  ## build both, look into them, run the demonstration from the wheel in an empty environment (about 3 minutes)
	$(BIN)/pytest tests/wheel -s --timeout=900 $(ARGS)

demo: install  ## watch 336,776 flights go through, exactly once, over a killed worker
	$(BIN)/stream demo $(ARGS)

bench: install  ## compare with peers on one broker: one table, bench/results/
	$(BIN)/python -m bench $(ARGS)

bench-all: install  ## every measurement of docs/performance.md, and its tables there (about an hour)
	$(BIN)/python -m bench
	$(BIN)/python -m bench --model trees
	$(BIN)/python -m bench --mode warm
	$(BIN)/python -m bench --mode delay
	$(BIN)/python -m bench.latency
	$(BIN)/python -m bench.memory
	$(BIN)/python -m bench.codec
	$(BIN)/python -m bench.settings
	$(BIN)/python -m bench.metrics_cost
	$(BIN)/python -m bench.pipeline
	$(BIN)/python -m bench.growth
	$(BIN)/python -m bench.document

bench-growth: install  ## memory and cost per event against size, batch, backlog, partitions, fields
	$(BIN)/python -m bench.growth $(ARGS)

docs: install  ## make the tables of the documents, the JSON Schema, boards and alerts, from the code
	$(BIN)/python docs/generate.py
	$(BIN)/python -m deploy.monitoring

clean:  ## remove .venv, caches and the development Kafka's files
	rm -rf $(VENV) .stream bench/.work .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info stream/avro/*.c stream/avro/*.so stream/kafka/native/*.c stream/kafka/native/*.so

fuzz: install  ## hostile input for codecs, headers and every loader: 10^7 Avro messages, 10^5 of each other (about an hour)
	PYTHONPATH=tests $(BIN)/python -m fuzz $(ARGS)
	AVRO_CASES=$(CASES) $(BIN)/pytest tests/unit/avro_native -k long_run --timeout=0

fuzz-quick: install
	$(BIN)/pytest tests/fuzz $(ARGS)

sanitize: install  ## the native codec and transport under AddressSanitizer and UBSan
	PYTHON=$(BIN)/python tests/sanitize/run.sh

# Bare `make` prints the targets. Each target does the set-up that it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PY := .venv/bin/python
PYTEST := $(PY) -m pytest -q
READY := .venv/.ready
CODE := core operator services jobs cli hack examples tests bench
PACKAGES := core operator services/predictor services/monitor jobs/batch cli

help: ## Print this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1mmake %-18s\033[0m %s\n", $$1, $$2}'

$(READY): requirements/dev.txt pyproject.toml hack/setup
	@hack/setup

setup: $(READY) ## Make .venv with every pinned dependency (installs python3-venv by apt where it may)

demo: images ## The main job: a cluster, a real model served on it, new versions judged and pods attacked under live traffic
	@$(PY) -m hack.demo

demo-down: $(READY) ## End the demo; the cluster stays
	@$(PY) -m hack.demo --down

test: $(READY) ## All checks and all four layers of tests; says what ran
	@$(PY) -m hack.checks --around $$PPID

lint: $(READY) ## Style, types, import contracts, generated files
	@.venv/bin/ruff check $(CODE)
	@.venv/bin/ruff format --check --quiet $(CODE)
	@.venv/bin/mypy $(PACKAGES) hack
	@.venv/bin/lint-imports
	@$(PY) hack/generate_crds.py --check
	@$(PY) hack/generate_proto.py --check

unit: $(READY) ## Unit tests: nothing needed
	@$(PYTEST) -n 2 --dist loadfile tests/unit

contract: binaries ## Contract tests: files, subprocesses, a local object store (two processes, a file of tests each)
	@PATH="$$($(PY) -m hack.cluster build):$$PATH" $(PYTEST) -n 2 --dist loadfile tests/contract

fuzz: $(READY) ## 30 million inputs for what reads a caller's bytes, a million bad requests, new random cases (half an hour)
	@HYPOTHESIS_PROFILE=default $(PYTEST) tests/unit/predictor tests/contract/test_openapi_cases.py
	@MODELLOOP_BAD_REQUESTS=1000000 $(PYTEST) tests/contract/test_predictor_memory.py
	@for target in heads rows infer; do PYTHONPATH=tests $(PY) tests/fuzz.py $$target 30000000; done

cluster-tests: binaries ## Tests on a real API server with controllers and fake nodes
	@$(PY) -m hack.cluster up --profile control-plane >/dev/null
	@$(PYTEST) -n 2 tests/cluster

e2e: images ingress ## Tests on real pods behind a real gateway and a real Ingress controller
	@$(PYTEST) tests/e2e

format: $(READY) ## Rewrite the code in the house's format
	@.venv/bin/ruff check --fix --quiet $(CODE) || true
	@.venv/bin/ruff format --quiet $(CODE)

golden: $(READY) ## Rewrite the golden files of the renderers
	@MODELLOOP_GOLDEN=1 $(PYTEST) tests/unit/operator

crds: $(READY) ## Rewrite crds/ and the chart's copy from the pydantic types
	@$(PY) hack/generate_crds.py

proto: $(READY) ## Rewrite the messages of the Open Inference Protocol from their .proto file
	@$(PY) hack/generate_proto.py

lock: $(READY) ## Pin every version in requirements/*.txt anew
	@requirements/lock

binaries: $(READY) ## Build the cluster's programs into the cache (about 9 minutes the first time)
	@$(PY) -m hack.cluster build >/dev/null

cluster: $(READY) ## A real cluster: kind where Docker answers, else plain processes on this machine
	@$(PY) -m hack.cluster up

cluster-down: $(READY) ## Take the clusters down and leave nothing behind
	@failed=0; for profile in node control-plane; do $(PY) -m hack.cluster down --profile $$profile || failed=1; done; exit $$failed

cluster-status: $(READY) ## What runs
	@$(PY) -m hack.cluster status --profile node
	@$(PY) -m hack.cluster status --profile control-plane

images: cluster ## Build the two images and bring them into the cluster
	@$(PY) -m hack.cluster images

ingress: cluster ## Bring an Ingress controller into the cluster (builds it the first time, about 2 minutes)
	@$(PY) -m hack.cluster ingress

bench: bench-operator bench-online bench-drift bench-batch bench-gateway bench-monitor bench-soak ## All benches

bench-operator: $(READY) ## 1,000 MLModels on fake nodes: memory, idle CPU, writes, latency, 100 rollouts (ARGS=--linear)
	@$(PY) -m bench.operator_scale $(ARGS)

bench-online: $(READY) ## The predictor against FastAPI, mosec, KServe and constant answers (ARGS="--rounds 1 --only modelloop")
	@bench/online/setup
	@PATH="$(CURDIR)/.cache/bench-tools/bin:$$PATH" $(PY) -m bench.online $(ARGS)

bench-drift: $(READY) ## Counting and comparing 1 M + 1 M rows, beside numpy, evidently and nannyml (ARGS="--rows 100000")
	@bench/drift/setup
	@OMP_NUM_THREADS=1 $(PY) -m bench.drift $(ARGS)

bench-batch: $(READY) ## 2 M rows of Parquet scored, beside a plain loop, pandas and Ray Data (ARGS="--rows 200000 --many 1000000")
	@bench/batch/setup
	@$(PY) -m bench.batch $(ARGS)

bench-drift-levels: $(READY) ## False alarms of 1,000 redrawn quiet windows of real records, and power (ARGS="--windows 100")
	@OMP_NUM_THREADS=1 $(PY) -m bench.drift.levels $(ARGS)

bench-evidence: $(READY) ## Simulated days: how often equal versions are rolled back, how soon worse ones are (ARGS="--days 100")
	@OMP_NUM_THREADS=1 $(PY) -m bench.evidence $(ARGS)

bench-ab: $(READY) ## Simulated A/B tests: how often equal versions are told apart, how soon others are (ARGS="--tests 100")
	@OMP_NUM_THREADS=1 $(PY) -m bench.evidence.ab $(ARGS)

bench-gateway: images ## 1,000 requests/s through the Gateway to real pods (ARGS="--rate 2000 --seconds 10")
	@$(PY) -m bench.gateway $(ARGS)

bench-monitor: $(READY) ## One monitor, 1,000 models with three pods each every 10 s, and a day's database (ARGS="300 30")
	@$(PY) -m bench.monitor_load $(ARGS)

bench-soak: $(READY) ## A day's worth of requests to one predictor, as fast as it answers, and its memory (ARGS="--seconds 60")
	@bench/online/setup
	@PATH="$(CURDIR)/.cache/bench-tools/bin:$$PATH" $(PY) -m bench.online.soak $(ARGS)

.PHONY: help setup demo demo-down test lint unit contract fuzz cluster-tests e2e format golden crds proto lock binaries cluster \
	cluster-down cluster-status images ingress bench bench-operator bench-online bench-drift bench-batch \
	bench-drift-levels bench-evidence bench-ab bench-gateway bench-monitor bench-soak

# The two commands a newcomer needs are `make demo` and `make test`; each installs what it needs into .venv, pinned.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TESTBED := .build/testbed
PEERS := .build/peers
KUBERNETES_VERSION := v1.37.2
GO_BUILD = GOFLAGS=-mod=readonly go build \
  -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$(KUBERNETES_VERSION)"

.PHONY: demo test test-fast check testbed peers bench bench-quick chaos constraints format clean
.DEFAULT_GOAL := test

demo: $(VENV)/.stamp ## an upgrade of some hundred CRDs on the embedded server, live
	$(BIN)/python -m asyncmigrate demo

test: $(VENV)/.stamp testbed ## everything, the real API server included
	$(BIN)/python -m pytest --cov --cov-report=term $(PYTEST_ARGS)

test-fast: $(VENV)/.stamp ## what needs no real API server
	$(BIN)/python -m pytest -m "not real" $(PYTEST_ARGS)

check: $(VENV)/.stamp ## lint, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.stamp testbed peers ## every figure, in some 20 minutes
	$(BIN)/python -m bench

bench-quick: $(VENV)/.stamp testbed peers ## the main figures from few objects, in under two minutes
	$(BIN)/python -m bench --quick

ROUNDS ?= 100
SEED ?= 0
chaos: $(VENV)/.stamp testbed ## more rounds of faults, kills and writers than the tests play: make chaos ROUNDS=n SEED=s
	$(BIN)/python -m tests.chaos embedded --rounds $(ROUNDS) --seed $(SEED)
	$(BIN)/python -m tests.chaos real --rounds $(ROUNDS) --seed $(SEED)

# The real kube-apiserver and etcd: about six minutes on two cores, once. With KUBEBUILDER_ASSETS set those binaries are used instead.
ifdef KUBEBUILDER_ASSETS
testbed:
else ifeq ($(shell command -v go),)
testbed:
	@echo "no Go here and no KUBEBUILDER_ASSETS: the tests on a real API server will be skipped"
else
testbed: $(TESTBED)/.stamp
endif

$(TESTBED)/.stamp: testbed/go.mod testbed/go.sum
	@echo "building kube-apiserver $(KUBERNETES_VERSION) and etcd, once (about six minutes on two cores)"
	mkdir -p $(TESTBED)
	cd testbed && $(GO_BUILD) -o ../$(TESTBED)/ k8s.io/kubernetes/cmd/kube-apiserver go.etcd.io/etcd/server/v3
	mv $(TESTBED)/server $(TESTBED)/etcd
	touch $@

# What the bench sets us against: clusterctl's migrator and others in Go, and Kubernetes' own in kube-controller-manager.
peers: $(PEERS)/.stamp

$(PEERS)/.stamp: bench/peers/go.mod bench/peers/go.sum $(wildcard bench/peers/*.go) testbed/go.mod testbed/go.sum
	@echo "building the peers, once (about eight minutes on two cores)"
	mkdir -p $(PEERS)
	cd bench/peers && $(GO_BUILD) -o ../../$(PEERS)/ .
	cd testbed && $(GO_BUILD) -o ../$(PEERS)/ k8s.io/kubernetes/cmd/kube-controller-manager
	touch $@

$(VENV)/.stamp: constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "asyncmigrate needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# Pins every package that this project and its tools need, with hashes; needs `uv` on the PATH.
constraints:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --no-annotate --extra httpx --group dev --upgrade -o constraints.txt pyproject.toml

clean:
	rm -rf $(VENV) .build

# The two commands a newcomer needs are `make demo` and `make test`; each installs what it needs into .venv, pinned.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TESTBED := .build/testbed
PEERS := .build/peers
# Most tests wait, so WORKERS processes play at once, each with an API server of its own. The chaos keeps all cores busy
# itself, and plays first: alone, without coverage. With PYTEST_ARGS one process plays what they choose, for --pdb too.
WORKERS ?= 3
PYTEST := $(BIN)/python -m pytest
AT_ONCE := --numprocesses $(WORKERS) --dist worksteal --ignore tests/chaos
# The Kubernetes versions with a go.mod of their own, and the one to test on: the newest, another with VERSION=1.36.
VERSIONS := $(sort $(patsubst testbed/%/go.mod,%,$(wildcard testbed/*/go.mod)))
NEWEST := $(lastword $(VERSIONS))
VERSION := $(or $(ASYNCMIGRATE_TESTBED),$(NEWEST))
export ASYNCMIGRATE_TESTBED := $(VERSION)
kubernetes = $(shell sed -n 's|^\tk8s.io/kubernetes \(v[0-9.]*\).*|\1|p' testbed/$1/go.mod)
go_build = GOFLAGS=-mod=readonly go build -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$(call kubernetes,$1)"

.PHONY: help demo test test-fast test-lowest test-contract test-versions check testbed peers bench bench-quick chaos constraints image-check format clean
.DEFAULT_GOAL := test

help: ## what there is to make
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.stamp ## an upgrade of some hundred CRDs on the embedded server, live
	$(BIN)/python -m asyncmigrate demo

test: $(VENV)/.stamp testbed ## everything, the real API server included
	$(if $(PYTEST_ARGS),,$(PYTEST) tests/chaos)
	$(PYTEST) --cov --cov-report=term $(or $(PYTEST_ARGS),$(AT_ONCE))

test-fast: $(VENV)/.stamp ## what needs no real API server
	$(if $(PYTEST_ARGS),,$(PYTEST) -m "not real" tests/chaos)
	$(PYTEST) -m "not real" $(or $(PYTEST_ARGS),$(AT_ONCE))

# Of what pyproject.toml names for users, that is; what tests alone need is the newest that goes with it.
LOWEST := .build/lowest
test-lowest: $(VENV)/.stamp ## unit and command tests with the lowest versions that pyproject.toml allows, in their own venv
	$(PYTHON) -m venv --clear $(LOWEST)
	$(BIN)/python -m tests.lowest > $(LOWEST)/requirements.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -r $(LOWEST)/requirements.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(LOWEST)/bin/python -m pytest -m "not real" tests/unit tests/command $(or $(PYTEST_ARGS),$(AT_ONCE))

test-contract: $(VENV)/.stamp testbed ## the contract tests on the real API server: make test-contract VERSION=1.36
	$(PYTEST) -m real tests/contract $(or $(PYTEST_ARGS),$(AT_ONCE))

test-versions: $(VENV)/.stamp $(VERSIONS:%=$(TESTBED)/%/.stamp) ## the contract tests and the chaos, on every version of the real API server
	set -e; export KUBEBUILDER_ASSETS=; for ASYNCMIGRATE_TESTBED in $(VERSIONS); do \
	  echo "Kubernetes $$ASYNCMIGRATE_TESTBED"; \
	  $(if $(PYTEST_ARGS),,$(PYTEST) -m real tests/chaos;) \
	  $(PYTEST) -m real tests/contract $(if $(PYTEST_ARGS),tests/chaos $(PYTEST_ARGS),$(AT_ONCE)); \
	done

check: $(VENV)/.stamp ## lint, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.stamp ## format, and mend what ruff can mend
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

# About six minutes on two cores, once for each version. With KUBEBUILDER_ASSETS set those binaries are used instead.
ifdef KUBEBUILDER_ASSETS
testbed:
else ifeq ($(shell command -v go),)
testbed:
	@echo "no Go here and no KUBEBUILDER_ASSETS: the tests on a real API server will be skipped"
else
testbed: $(TESTBED)/$(VERSION)/.stamp ## the real kube-apiserver and its etcd: make testbed VERSION=1.36
endif

$(TESTBED)/%/.stamp: testbed/%/go.mod testbed/%/go.sum
	@echo "building kube-apiserver $(call kubernetes,$*) and etcd, once (about six minutes on two cores)"
	mkdir -p $(@D)
	cd testbed/$* && $(call go_build,$*) -o ../../$(@D)/ k8s.io/kubernetes/cmd/kube-apiserver go.etcd.io/etcd/server/v3
	mv $(@D)/server $(@D)/etcd
	touch $@

peers: $(PEERS)/.stamp ## what the bench sets us against: clusterctl's migrator and others in Go, and Kubernetes' own in kube-controller-manager

$(PEERS)/.stamp: bench/peers/go.mod bench/peers/go.sum $(wildcard bench/peers/*.go) testbed/$(NEWEST)/go.mod testbed/$(NEWEST)/go.sum
	@echo "building the peers, once (about eight minutes on two cores)"
	mkdir -p $(PEERS)
	cd bench/peers && $(call go_build,$(NEWEST)) -o ../../$(PEERS)/ .
	cd testbed/$(NEWEST) && $(call go_build,$(NEWEST)) -o ../../$(PEERS)/ k8s.io/kubernetes/cmd/kube-controller-manager
	touch $@

$(VENV)/.stamp: constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "asyncmigrate needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# Pins every package that this project and its tools need, with hashes; the image gets what it needs of them.
pin = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --no-annotate
constraints: $(VENV)/.stamp ## pin every package anew in constraints.txt, and for the image
	$(pin) --extra httpx --extra httpx2 --extra metrics --extra socks --group dev --upgrade -o constraints.txt pyproject.toml
	$(pin) --extra metrics -c constraints.txt -o image/requirements.txt pyproject.toml
	echo hatchling | $(pin) -c constraints.txt -o image/build-requirements.txt -

image-check: $(VENV)/.stamp ## play the Dockerfile's steps without a container, and try what they make (needs a package registry)
	$(BIN)/python -m tests.image

clean: ## remove .venv and .build, with the API servers that were built
	rm -rf $(VENV) .build

# rote. The two commands that matter: `make reproduce` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
# One BLAS thread per process unless a job asks for more: Snakemake runs jobs side by side.
export OMP_NUM_THREADS ?= 1
# Snakemake keeps its cache in the user's home: here, where there is none to write to.
ifeq ($(shell test -n "$$HOME" && test -w "$$HOME" && echo yes),)
export XDG_CACHE_HOME ?= $(CURDIR)/.snakemake/cache
endif

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev reproduce full resume audit fuzz test test-long extremes lint bench device-campaign docs rulegraphs lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## create .venv and install what a run needs: envs/lock.txt

setup-dev: $(READY_DEV)  ## also what tests, linters and documentation need: envs/lock-dev.txt

# pip resolves nothing here: every version is in the lock. torch is taken from wherever pip is configured to look first.
$(READY): envs/lock.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rote needs Python 3.11 or newer; set PYTHON=python3.x")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement envs/lock.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo "Compiling the kernels, once ..."
	$(BIN)/python -m rote.run.kernels > /dev/null
	@touch $@

$(READY_DEV): envs/lock-dev.txt $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement envs/lock-dev.txt
	@touch $@

reproduce: setup  ## run the laptop scale of every paper and leave the report
	$(BIN)/snakemake --cores all
	@echo "The report: $(CURDIR)/reports/laptop/index.html"

full: setup  ## judge every claim: the run that README and docs quote (again: it goes on where it stopped)
	$(BIN)/snakemake --cores all --configfile config/full.yaml
	@echo "The report: $(CURDIR)/reports/full/index.html"

resume: setup  ## go on after a kill, a crash or a full disk: nothing that is done is done again
	$(BIN)/snakemake --unlock
	$(BIN)/snakemake --cores all
	@echo "The report: $(CURDIR)/reports/laptop/index.html"

# The tests of the smoke run beside all others: two processes for two cores. `pytest` alone runs them one after another.
test: setup-dev  ## run the tests
	@$(BIN)/pytest -m "not dag and not extremes and not long" > .others.log 2>&1 & others=$$!; \
	$(BIN)/pytest -m "dag and not long"; dag=$$?; \
	wait $$others; others=$$?; cat .others.log; exit $$((dag + others))

test-long: setup-dev  ## run the tests that take longer: the laptop run twice, whole domains, and more
	$(BIN)/pytest -m "long or extremes"

extremes: setup-dev  ## check kernels and theories at random points of their whole domains
	$(BIN)/pytest -m extremes tests/extremes

lint: setup-dev  ## check and format the code
	$(BIN)/ruff check --fix . && $(BIN)/ruff format . && $(BIN)/snakefmt Snakefile workflow
	$(BIN)/snakemake --lint

bench: setup-dev  ## measure the kernels against what one would use instead: reports/benchmarks/index.html
	$(BIN)/snakemake --cores all --force -- bench

device-campaign: setup-dev  ## ten minutes on one CUDA device: tests, trainings, shares of its peak (ARGS="--mnist folder")
	$(BIN)/python -m tests.campaign $(ARGS)

fuzz: setup-dev .peers  ## a minute of coverage-guided fuzzing of everything that reads files
	PYTHONPATH=.peers $(BIN)/python tests/faults/fuzz.py -max_total_time=60

docs: setup-dev  ## build the documentation into .site/
	$(BIN)/mkdocs build --strict --site-dir .site

rulegraphs: setup-dev  ## draw docs/rulegraph/ anew (needs Graphviz)
	@for paper in workflow/claims/*.yaml; do paper=$$(basename $$paper .yaml); \
	  $(BIN)/snakemake --rulegraph --configfile config/smoke.yaml -- $$paper 2>/dev/null \
	  | sed -e 's/color = "[^"]*", //; s/fontname=sans, */fontname="Helvetica,Arial,sans-serif", /; s/penwidth=2/penwidth=1/g' \
	    -e 's/bgcolor=white/bgcolor=white, rankdir=LR, ranksep=0.25, nodesep=0.12/' \
	  | dot -Tsvg > docs/rulegraph/$$paper.svg; done

.peers: envs/peers.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target $@ --upgrade --requirement $<
	@touch $@

audit: setup  ## look for known vulnerabilities of what envs/lock.txt pins (asks the network)
	$(PYTHON) -m venv .audit && .audit/bin/pip install --quiet --disable-pip-version-check pip-audit
	.audit/bin/pip-audit --requirement envs/lock-dev.txt --no-deps --disable-pip

lock:  ## resolve pyproject.toml anew into envs/lock.txt and envs/lock-dev.txt
	$(PYTHON) envs/lock.py

clean:  ## remove results and reports (asks first)
	@read -p "Remove results/* and reports/*? [y/N] " answer && [ "$$answer" = y ] && \
	  find results reports -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +

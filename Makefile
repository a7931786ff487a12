# Everything runs in a virtual environment of its own; nothing is installed outside this folder.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: native
native:  ## The Rust core alone, into the checker package (for work on the core).
	cargo build --release --features extension-module --manifest-path checker/native/Cargo.toml
	install -m 755 target/release/lib_core.so checker/_core.abi3.so.new
	mv checker/_core.abi3.so.new checker/_core.abi3.so

.PHONY: demo test check setup clean

demo: setup  ## Draw miniature native trees, build and verify a release from them
	@.venv/bin/medvid demo demo

test: setup  ## What CI runs: format, lint, types, layers, tests
	@scripts/check

check: setup  ## The same without the tests
	@scripts/check fast

setup:
	@scripts/setup

clean:  ## Remove the demo and caches, keep .venv
	@rm -rf demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*

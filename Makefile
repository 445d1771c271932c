# Run these inside the virtual environment of the README's test command.
.PHONY: test slow lint types fix docs

test:
	pytest -n 2

slow:
	pytest -m slow --timeout 3600

lint:
	ruff check
	ruff format --check
	lint-imports
	python -m docs.build --check

types:
	basedpyright

fix:
	ruff check --fix
	ruff format

docs:
	python -m docs.build

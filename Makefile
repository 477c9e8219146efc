# Two commands need nothing but Python >= 3.11: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test check bench docs clean

demo: $(STAMP)
	$(BIN)/netmodel scale --cluster deepseek-h800-mpft --model deepseek-v3 --gpus 256..65536 \
	    -o out/demo/scaling.png -o out/demo/scaling.svg -o out/demo/scaling.csv -o out/demo/scaling.json

test: $(STAMP)
	$(BIN)/python -m pytest

check: $(STAMP)
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

bench: $(STAMP)
	$(BIN)/python benchmarks/commands.py

$(STAMP): setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "netmodel needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(STAMP)

docs: $(STAMP)
	$(BIN)/python scripts/refresh_docs.py

clean:
	rm -rf $(VENV) out build *.egg-info

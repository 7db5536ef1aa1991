VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
# The labelled sets and notes to measure on; docs/results.md says where each comes from.
DATA ?= data
# medSpaCy needs an older numpy than ours, MedCAT an older pandas: the peers live in environments of their own.
PEER := .venv-peer
MEDCAT := .venv-medcat

.PHONY: install demo test check format bench-quality bench-speed clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

demo: install
	$(VENV)/bin/detect-icd10cm detect examples/notes.csv -o demo.jsonl
	$(VENV)/bin/detect-icd10cm detect - --to table < examples/neurology_consult.txt

test: install
	$(PY) -m pytest -q

check: install
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(PY) -m pytest -q

format: install
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench-quality: install
	$(PY) benchmarks/quality.py $(DATA)
	$(PY) -m training.measure $(DATA)/annotated_notes/dev.jsonl
	$(PY) benchmarks/rules_quality.py $(DATA)/annotated_notes/dev.jsonl

bench-speed: install $(PEER) $(MEDCAT)
	$(PY) benchmarks/context_medspacy.py $(DATA)/annotated_notes/dev.jsonl --peer $(PEER)/bin/python
	$(PY) benchmarks/speed_peers.py $(DATA)/mtsamples/notes.jsonl --peer $(PEER)/bin/python --medcat $(MEDCAT)/bin/python
	$(PY) benchmarks/encoder_share.py $(DATA)/mtsamples/notes.jsonl
	$(PY) benchmarks/throughput.py $(DATA)/mtsamples/notes.jsonl
	$(PY) benchmarks/fuzz.py $(DATA)/mtsamples/notes.jsonl

$(PEER):
	python3 -m venv $(PEER)
	$(PEER)/bin/python -m pip install --quiet 'medspacy>=1.3,<2' 'numpy<2'

$(MEDCAT):
	python3 -m venv $(MEDCAT)
	$(MEDCAT)/bin/python -m pip install --quiet 'medcat>=2.9,<3'

clean:
	rm -rf $(VENV) $(PEER) $(MEDCAT) demo.jsonl demo.jsonl.rejects.jsonl

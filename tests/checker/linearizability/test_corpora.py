"""Histories of public projects get the verdicts that are known of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checker.history.importers import twin
from checker.history.importers.formats import read
from checker.history.importers.reading import reading_for
from checker.linearizability.checker import check
from checker.linearizability.search import PRUNINGS
from checker.models import MODELS
from checker.verdict import Budget

CORPORA = Path(__file__).parents[3].parent / "shared" / "corpora"
ETCD = CORPORA / "porcupine" / "etcd"
KNOSSOS = sorted((CORPORA / "knossos").glob("*/*/*.edn"))
KV = sorted((CORPORA / "porcupine" / "kv").glob("*.txt"))
INITIAL = {"cas-register": 0, "multi-register": {"x": 0, "y": 0}, "mutex": None}
STEPS_MAX = 1_000_000

pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora are not here")


@pytest.mark.parametrize("prune", [PRUNINGS, PRUNINGS.keys() - {"absorption", "detours"}])
def test_the_etcd_logs(prune: frozenset[str]) -> None:
    expected = json.loads((CORPORA / "porcupine" / "etcd-expected.json").read_text())
    logs: dict[str, bool] = expected["expected_linearizable"]
    assert len(logs) == 102
    for name, legal in logs.items():
        imported = read(ETCD / name)
        verdict = check(imported.history, MODELS["cas-register"](), prune=prune)
        assert imported.format == "log"
        assert verdict.status == ("valid" if legal else "invalid"), name
        for finding in verdict.findings:
            assert 0 < len(finding.sub_history) <= 40
            assert "too much for the twin" not in "".join(finding.details), name


def test_an_empty_log_says_nothing() -> None:
    history = read(ETCD / "etcd_095.log").history
    assert check(history, MODELS["cas-register"]()).status == "unknown"


@pytest.mark.parametrize("path", KNOSSOS, ids=lambda path: path.stem)
def test_the_histories_of_knossos(path: Path) -> None:
    model = path.parts[-3]
    initial = INITIAL[model]
    imported = read(path, reading=reading_for(model, initial))
    start = MODELS[model]() if initial is None else MODELS[model](initial)
    assert imported.format == "edn"
    wanted = {"good": "valid", "bad": "invalid"}[path.parts[-2]]
    assert check(imported.history, start).status == wanted


@pytest.mark.parametrize("path", KV, ids=lambda path: path.stem)
def test_the_key_value_histories(path: Path) -> None:
    imported = read(path)
    assert imported.notes["blank_is_absent"]
    verdict = check(imported.history, MODELS["kv"](), budget=Budget(steps=STEPS_MAX))
    assert verdict.status == {"ok": "valid", "bad": "invalid"}[path.stem.split("-")[1]]
    assert "steps" not in verdict.observed["outcomes"]


@pytest.mark.parametrize("path", [*KNOSSOS, *KV, *sorted(ETCD.glob("*5.log"))], ids=str)
def test_the_twin_reads_the_same(path: Path) -> None:
    model = path.parts[-3] if path in KNOSSOS else "kv"
    reading = reading_for(model, INITIAL.get(model))
    imported = read(path, reading=reading)
    if imported.format == "json-lines":
        assert not path.read_bytes()
        return
    table = twin.read(path.read_bytes(), imported.format, reading=reading, drop_partial_line=False)
    for name in ("call", "ret", "process", "f", "key", "input", "output", "outcome"):
        assert getattr(table.operations, name) == getattr(imported.history.columns, name)
    assert table.operations.values.texts == imported.history.values.texts

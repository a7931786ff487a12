"""Histories of public projects get the verdicts that are known of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from checker.linearizability.checker import check
from checker.linearizability.search import PRUNINGS
from checker.models import MODELS
from checker.verdict import Budget
from tests.checker.linearizability.corpora import CORPORA, etcd_log, knossos, porcupine_kv

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora are not here")

KNOSSOS = sorted((CORPORA / "knossos").glob("*/*/*.edn"))
KV = sorted((CORPORA / "porcupine" / "kv").glob("c[01]*.txt"))
INITIAL = {"cas-register": 0, "multi-register": {"x": 0, "y": 0}, "mutex": False}


@pytest.mark.parametrize("prune", [PRUNINGS, PRUNINGS.keys() - {"absorption", "detours"}])
def test_the_etcd_logs(prune: frozenset[str]) -> None:
    expected = json.loads((CORPORA / "porcupine" / "etcd-expected.json").read_text())
    logs: dict[str, bool] = expected["expected_linearizable"]
    assert len(logs) == 102
    for name, legal in logs.items():
        history = etcd_log(CORPORA / "porcupine" / "etcd" / name)
        verdict = check(history, MODELS["cas-register"](), prune=prune)
        wanted = "valid" if legal else "invalid"
        assert verdict.status == (wanted if len(history) else "unknown"), name
        assert all(len(finding.sub_history) < 80 for finding in verdict.findings)


@pytest.mark.parametrize("path", KNOSSOS, ids=lambda path: path.stem)
def test_the_histories_of_knossos(path: Path) -> None:
    model = path.parts[-3]
    verdict = check(knossos(path, model), MODELS[model](INITIAL[model]))
    assert verdict.status == {"good": "valid", "bad": "invalid"}[path.parts[-2]]


@pytest.mark.parametrize("path", KV, ids=lambda path: path.stem)
def test_the_key_value_histories(path: Path) -> None:
    model = MODELS["kv"]({str(key): "" for key in range(10)})
    verdict = check(porcupine_kv(path), model, budget=Budget(steps=10_000_000))
    assert verdict.status == {"ok": "valid", "bad": "invalid"}[path.stem.split("-")[1]]

"""A seed decides a simulated run byte for byte, whatever the process that runs it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = [
    {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"},
    {"PYTHONHASHSEED": "77777", "TZ": "America/St_Johns", "LC_ALL": "POSIX"},
]


def digest(runs: Path, system: str, seed: int, environment: dict[str, str]) -> str:
    words = ["run", system, "--environment", "simulated", "--nemesis", "all"]
    done = subprocess.run(
        [sys.executable, "-m", "lineal", *words, "--seed", str(seed), "--runs", str(runs)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    history = runs / "latest" / "history.jsonl"
    return hashlib.sha256(history.read_bytes()).hexdigest()


@pytest.mark.parametrize("system", ["dynamo", "atomic", "paxos"])
def test_the_history_depends_on_the_seed_alone(system: str, tmp_path: Path) -> None:
    same = {digest(tmp_path, system, 11, environment) for environment in ELSEWHERE}
    other = digest(tmp_path, system, 12, ELSEWHERE[0])
    assert len(same) == 1
    assert other not in same

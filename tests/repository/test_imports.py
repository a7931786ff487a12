"""What a command loads, and what a node loads: heavy imports are lazy, and nodes stay small."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HISTORY = (
    '{"index":0,"time":0,"process":0,"type":"invoke","f":"write","input":1}\n'
    '{"index":1,"time":5,"process":0,"type":"ok","f":"write"}\n'
    '{"index":2,"time":6,"process":0,"type":"invoke","f":"read"}\n'
    '{"index":3,"time":9,"process":0,"type":"ok","f":"read","output":1}\n'
)


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_check_loads_nothing_heavy(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(HISTORY, encoding="utf-8")
    loaded = modules_after(
        f"from lineal.cli.main import main\n"
        f"assert main(['check', {str(path)!r}, '--model', 'register']) == 0"
    )
    assert not loaded & {"docker", "paramiko", "networkx", "jinja2", "asyncio"}
    assert "checker._core" in loaded


def test_a_node_loads_nothing_of_the_checker() -> None:
    loaded = modules_after(
        "import systems_under_test.host.__main__\n"
        "import systems_under_test.dynamo.replica, systems_under_test.atomic.replica"
    )
    packages = {name.partition(".")[0] for name in loaded}
    assert not packages & {"checker", "workloads", "nemesis", "reports", "lineal"}

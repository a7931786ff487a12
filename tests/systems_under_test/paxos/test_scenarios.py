"""Scenarios play as they are written. `pytest --rewrite` writes anew what comes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.systems_under_test.paxos.stage import play

FOLDER = Path(__file__).parent / "scenarios"
SCENARIOS = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_plays_as_it_is_written(path: Path, request: pytest.FixtureRequest) -> None:
    written = path.read_text(encoding="utf-8")
    played = play(written)
    if request.config.getoption("--rewrite"):
        path.write_text(played, encoding="utf-8")
        return
    assert played == written, f"{path.name} plays otherwise; look, then pytest --rewrite"


def test_there_are_a_dozen() -> None:
    assert len(SCENARIOS) >= 12

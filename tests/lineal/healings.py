"""What a run tells of how long its cluster took to answer again after each healing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from checker.history.columns import History
from checker.invariants.answered_again import returns

if TYPE_CHECKING:
    from pathlib import Path


def told_of_healings(directory: Path, *, at_least: int = 1) -> None:
    """After each healing that left no fault open: a time or a name, in the verdict and the report.

    So many of them. Whether all are back before the next fault is the machine's affair; after the
    last healing there is none.
    """
    history = History.read(directory / "history.jsonl")
    found = returns(history)
    assert len(found) >= at_least, found
    timed = [each for each in found if each.after_ns is not None]
    assert all(each.missing for each in found if each.after_ns is None), found
    assert found[-1].after_ns is not None, found
    verdict = json.loads((directory / "verdict.json").read_text())
    (observed,) = (c["observed"] for c in verdict["checkers"] if c["name"] == "recovery")
    told = observed["answered_again"]
    assert (told["healings"], told["unseen_count"]) == (len(found), len(found) - len(timed))
    page = (directory / "report.html").read_text()
    assert f"After {len(timed)} of {len(found)} healing" in page
    assert page.count("all answered after ") == len(timed)
    assert page.count(" not seen to answer") == len(found) - len(timed)
    assert observed["recovered_after_ns"] >= 0, "at the end the health of the system is awaited"
    assert "At the end of the run every node served within" in page

"""The examples of `docs/history.md` are what it says they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checker.history.columns import History
from checker.history.notation import parse, render
from checker.history.problems import MalformedHistory

PAGE = (Path(__file__).parents[3] / "docs" / "history.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FENCES = FENCE.findall(PAGE)


def blocks(language: str) -> list[str]:
    found = [body for name, body in FENCES if name == language]
    assert found, f"no example in {language}"
    return found


@pytest.mark.parametrize("lines", blocks("jsonl"))
def test_files_are_read(lines: str) -> None:
    history = History.from_bytes(lines.encode())
    assert len(list(history.events())) == len(lines.splitlines())


@pytest.mark.parametrize("text", blocks("history"))
def test_notation_is_read_and_rendered_back(text: str) -> None:
    history = parse(text)
    assert len(history.lines) > 0
    assert parse(render(history)).to_bytes() == history.to_bytes()


@pytest.mark.parametrize(
    ("lines", "message"), list(zip(blocks("jsonl malformed"), blocks("text"), strict=True))
)
def test_malformed_files_get_these_messages(lines: str, message: str) -> None:
    with pytest.raises(MalformedHistory) as refused:
        History.from_bytes(lines.removesuffix("\n").encode())
    assert str(refused.value) == message.removesuffix("\n")

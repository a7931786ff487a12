"""The page on models names every one of them, and what a model may declare."""

from __future__ import annotations

import re
from pathlib import Path

from checker.models import MODELS
from checker.models.model import Model

PAGE = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")


def test_every_model_is_on_the_page_and_none_besides() -> None:
    table = PAGE.split("## One of your own")[0]
    assert re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE) == list(MODELS)


def test_every_power_of_a_model_is_on_the_page() -> None:
    table = PAGE.split("## What it may add")[1]
    named = set(re.findall(r"^\| `(\w+)", table, re.MULTILINE))
    assert named == set(re.findall(r"^    \* `(\w+)", Model.__doc__ or "", re.MULTILINE))

"""Every example of `docs/generators.md` is what it says it is, and none is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import workloads.generators

PAGE = Path(__file__).parents[3] / "docs" / "generators.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_page_hold() -> None:
    names: dict[str, object] = {"__name__": "page"}
    for example in EXAMPLES:
        exec(compile(example, str(PAGE), "exec", dont_inherit=True), names)
    assert len(EXAMPLES) > 10


@pytest.mark.parametrize("name", workloads.generators.__all__)
def test_the_page_shows(name: str) -> None:
    assert re.search(rf"\b{name}\b", "".join(EXAMPLES) + TEXT)

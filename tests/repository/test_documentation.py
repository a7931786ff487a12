"""Every Python example in the documentation runs, and every command that it shows exists."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from lineal.cli.catalogue import everything
from lineal.cli.main import parser
from tests.benchmarks.__main__ import MEASURES, PAGE, written

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return [body for name, _, body in FENCE.findall(text) if name == language]


def ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_python_examples_of_a_page_run_in_order(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "example"}
    examples = blocks(page, "python")
    for body in examples:
        exec(compile(body, str(page), "exec", dont_inherit=True), names)
    assert len(names) > 1 or not examples


def commands(page: Path) -> list[str]:
    """The `lineal ...` commands of a page's shell blocks, without prompts and comments."""
    bodies = blocks(page, "sh") + blocks(page, "console")
    lines = [line for body in bodies for line in body.replace("\\\n", "").splitlines()]
    stripped = [line.removeprefix("$ ").split("  #")[0].strip() for line in lines]
    return [line for line in stripped if line.startswith("lineal ")]


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_of_a_page_are_understood(page: Path) -> None:
    for line in commands(page):
        words = shlex.split(line)[1:]
        if "--help" in words or "--version" in words:
            continue
        assert parser().parse_args(words).command is not None, line


def test_readme_shows_commands() -> None:
    assert commands(ROOT / "README.md")


def test_readme_names_what_there_is() -> None:
    """Every system with its workloads, every environment, every command, every page of `docs`."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    there_is = everything()
    names = {*there_is["systems"], *there_is["environments"]}
    names.update(*(system["workloads"] for system in there_is["systems"].values()))
    assert [name for name in sorted(names) if f"`{name}`" not in readme] == []
    (shown,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    names = {name for name in shown.choices if f"lineal {name} " not in readme}
    assert [name for name in sorted(names) if f"`{name}`" not in readme] == []
    pages = [ids(page) for page in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if f"({page})" not in readme] == []


def test_the_table_of_figures_has_a_row_for_each_measure() -> None:
    rows = written(PAGE.read_text(encoding="utf-8"))
    assert list(rows) == [measure.name for measure in MEASURES]
    targets = [row.split("|")[4].strip() for row in rows.values()]
    assert targets == [measure.target for measure in MEASURES]

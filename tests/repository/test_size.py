"""Functions and modules stay short: taste as a test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("checker", "workloads", "systems_under_test", "nemesis", "reports", "lineal", "tests")
FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 400

# Known to be longer; this list may only shrink.
LONGER_FUNCTIONS: frozenset[str] = frozenset()
LONGER_MODULES: frozenset[str] = frozenset()

BANNED_NAMES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "manager",
    "base",
    "handler",
    "common",
    "misc",
}

MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def long_functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        f"{path.relative_to(ROOT)}:{node.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > FUNCTION_LINES_MAX
    }


def test_no_function_is_longer_than_the_limit() -> None:
    found = set().union(*(long_functions(path) for path in MODULES))
    assert found == LONGER_FUNCTIONS


def test_no_module_is_longer_than_the_limit() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in MODULES
        if len(path.read_text(encoding="utf-8").splitlines()) > MODULE_LINES_MAX
    }
    assert found == LONGER_MODULES


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_has_a_name_of_the_field_and_says_what_it_is_for(path: Path) -> None:
    assert path.stem not in BANNED_NAMES
    if path.name != "__init__.py" or "tests" not in path.parts:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        is_test = path.is_relative_to(ROOT / "tests")
        assert is_test or ast.get_docstring(tree), f"{path} has no docstring"


def test_the_limit_finds_a_long_function(tmp_path: Path) -> None:
    source = "def f():\n" + "    pass\n" * FUNCTION_LINES_MAX
    tree = ast.parse(source)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    assert (function.end_lineno or 0) - function.lineno + 1 == FUNCTION_LINES_MAX + 1

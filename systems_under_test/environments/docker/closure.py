"""Which modules a node imports, found without importing anything.

The image holds just these. An import that is made under a name computed at run time cannot be
seen; a replica that does so has to name the module in an ordinary import as well. What is imported
only where an ImportError is caught, and what that imports in turn, may be missing.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from systems_under_test.environments.cluster import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLOCKS: Final = ("body", "handlers", "orelse", "finalbody", "cases")
"""The fields of a statement in which others stand."""


@dataclass(slots=True)
class Closure:
    """Our own files by their place below the import path, and packages of others by name.

    A node does without `optional` ones: without `lmdb` it only has no engine of that name.
    """

    files: dict[str, Path] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)
    optional: set[str] = field(default_factory=set)


def closure_of(modules: Iterable[str]) -> Closure:
    """Everything that importing these modules imports. Raises EnvironmentFailed."""
    found = Closure()
    seen: set[str] = set()
    guarded = _follow(list(modules), found, seen, optional=False)
    while guarded:
        guarded = _follow(guarded, found, seen, optional=True)
    return found


def _follow(waiting: list[str], found: Closure, seen: set[str], *, optional: bool) -> list[str]:
    """Add what these modules import; the names that are imported under a guard."""
    guarded: list[str] = []
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in found.packages:
            continue
        source = _source(name, optional=optional)
        if source is None:
            continue
        if _is_installed(source):
            (found.optional if optional else found.packages).add(top)
            continue
        depth = len(name.split(".")) - (source.name != "__init__.py")
        found.files["/".join(source.parts[-depth - 1 :])] = source
        waiting += [name.rpartition(".")[0]] if "." in name else []
        for imported, under_guard in _imported(source, name):
            (guarded if under_guard else waiting).append(imported)
    return guarded


def _source(name: str, *, optional: bool) -> Path | None:
    """The file of a module; None for a name that is no module but something in one."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError) as error:
        if "." in name:
            return None
        raise EnvironmentFailed(f"no module {name} for the image: {error}") from error
    if spec is None or spec.origin is None or not spec.has_location:
        if spec is None and "." not in name and not optional:
            raise EnvironmentFailed(f"there is no module {name}, which a node would import")
        return None
    return Path(spec.origin)


def _is_installed(source: Path) -> bool:
    """Whether it is somebody else's package. An installed Lineal is still ours."""
    ours = Path(__file__).parents[2]
    if source.is_relative_to(ours):
        return False
    return any(part in ("site-packages", "dist-packages") for part in source.parts)


def _imported(source: Path, name: str) -> Iterator[tuple[str, bool]]:
    """The names that a module imports, and whether it does so under a guard."""
    tree = ast.parse(source.read_text(encoding="utf-8"), str(source))
    package = name if source.name == "__init__.py" else name.rpartition(".")[0]
    for node, guarded in _executed(tree, guarded=False):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, guarded
        elif isinstance(node, ast.ImportFrom):
            whole = package.split(".")
            above = whole[: len(whole) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module, guarded
            for alias in node.names:
                yield f"{module}.{alias.name}", guarded  # It may be a module itself.


def _executed(tree: ast.AST, *, guarded: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Every statement that may run, and whether a missing module is caught around it.

    Imports for a type checker alone are none. No expression imports: those are passed over.
    """
    for_types = isinstance(tree, ast.If) and ast.unparse(tree.test).endswith("TYPE_CHECKING")
    blocks = ("orelse",) if for_types else _BLOCKS
    for node in (node for block in blocks for node in getattr(tree, block, ())):
        inside = guarded or (isinstance(tree, ast.Try) and node in tree.body and _guards(tree))
        yield node, inside
        yield from _executed(node, guarded=inside)


def _guards(attempt: ast.Try) -> bool:
    caught = " ".join(ast.unparse(handler.type) for handler in attempt.handlers if handler.type)
    return "ImportError" in caught or "ModuleNotFoundError" in caught

"""Which modules a node imports, found without importing anything.

The image holds just these. An import that is made under a name computed at run time cannot be
seen; a replica that does so has to name the module in an ordinary import as well.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from systems_under_test.environments.cluster import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(slots=True)
class Closure:
    """Our own files by their place below the import path, and packages of others by name."""

    files: dict[str, Path] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)


def closure_of(modules: Iterable[str]) -> Closure:
    """Everything that importing these modules imports. Raises EnvironmentFailed."""
    found = Closure()
    waiting = list(modules)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in found.packages:
            continue
        source = _source(name)
        if source is None:
            continue
        if _is_installed(source):
            found.packages.add(top)
            continue
        depth = len(name.split(".")) - (source.name != "__init__.py")
        found.files["/".join(source.parts[-depth - 1 :])] = source
        waiting += [name.rpartition(".")[0]] if "." in name else []
        waiting += _imported(source, name)
    return found


def _source(name: str) -> Path | None:
    """The file of a module; None for a name that is no module but something in one."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError) as error:
        if "." in name:
            return None
        raise EnvironmentFailed(f"no module {name} for the image: {error}") from error
    if spec is None or spec.origin is None or not spec.has_location:
        if spec is None and "." not in name:
            raise EnvironmentFailed(f"there is no module {name}, which a node would import")
        return None
    return Path(spec.origin)


def _is_installed(source: Path) -> bool:
    """Whether it is somebody else's package. An installed Lineal is still ours."""
    ours = Path(__file__).parents[2]
    if source.is_relative_to(ours):
        return False
    return any(part in ("site-packages", "dist-packages") for part in source.parts)


def _imported(source: Path, name: str) -> Iterator[str]:
    tree = ast.parse(source.read_text(encoding="utf-8"), str(source))
    package = name if source.name == "__init__.py" else name.rpartition(".")[0]
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            whole = package.split(".")
            above = whole[: len(whole) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            for alias in node.names:
                yield f"{module}.{alias.name}"  # It may be a module itself.


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that may run: imports for a type checker alone are none."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for other in node.orelse:
                yield other
                yield from _executed(other)
            continue
        yield node
        yield from _executed(node)

"""Names: what is bundled, and how a user's own things are named.

Wherever a name is accepted, `package.module:attribute` is too.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

SYSTEMS: Final = {
    "atomic": "systems_under_test.atomic.system:SYSTEM",
    "dynamo": "systems_under_test.dynamo.system:SYSTEM",
    "paxos": "systems_under_test.paxos.system:SYSTEM",
    "redis": "systems_under_test.redis:SYSTEM",
}
ENVIRONMENTS: Final = {
    "docker": "containers on one bridge, cut by the kernel; power losses where the harness is root",
    "local": "processes on loopback, every link through the harness's own proxy",
    "ssh": "machines that are reached by SSH, cut by iptables in a chain of our own",
    "simulated": "replicas in one process, virtual time, every fault, the same from the same seed",
}
PACKAGES: Final = ("checker", "workloads", "systems_under_test", "nemesis", "reports", "lineal")


class UsageProblem(Exception):
    """Wrong usage or unreadable input: one sentence for each problem. Exit status 64."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def unknown_name(
    what: str, name: str, valid: Iterable[str], *, or_path: bool = False
) -> UsageProblem:
    """The one-line complaint about a name, with the names that there are."""
    own = ", or one of your own as package.module:attribute" if or_path else ""
    return UsageProblem([f"unknown {what} {name!r}; there are: {', '.join(sorted(valid))}{own}"])


def reach_own_modules() -> None:
    """Let modules of the user's be imported from the folder where the command was started.

    The folder comes last, since a user's `html.py` must not hide the standard library's.
    """
    if "" not in sys.path:
        sys.path.append("")


def load(path: str) -> Any:
    """The object at `package.module:attribute`; UsageProblem if it cannot be imported."""
    module_name, _, attribute = path.partition(":")
    if module_name.partition(".")[0] not in PACKAGES:
        reach_own_modules()
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:
        # Whatever a user's module raises while it is imported.
        raise UsageProblem([f"cannot load {path}: {error!r}"]) from error
    return found


def system(name: str) -> Any:
    """The system of that name, or at that path; a foreign one is adopted."""
    from systems_under_test.foreign import Adopted, is_foreign

    if ":" not in name and name not in SYSTEMS:
        raise unknown_name("system", name, SYSTEMS, or_path=True)
    found = load(SYSTEMS.get(name, name))
    if isinstance(found, type):
        found = found()
    return Adopted(found) if is_foreign(found) and not isinstance(found, Adopted) else found


def is_system(found: Any) -> bool:
    """Whether something that was loaded is a system, and not a function that makes a test."""
    from systems_under_test.foreign import is_foreign

    return hasattr(found, "replica_path") or is_foreign(found)


def shadowed_packages() -> list[str]:
    """Files of the user's that hide a package of ours, in sentences.

    The top-level names are generic: a `checker.py` in the working directory would be imported
    instead of ours, with errors that nobody understands.
    """
    problems = []
    home = importlib.import_module("lineal").__path__[0]
    root = home.rpartition("/")[0]
    for name in PACKAGES:
        module = importlib.import_module(name)
        place = (module.__file__ or next(iter(module.__path__), "")).rpartition(f"/{name}")[0]
        if place != root:
            problems.append(
                f"{module.__file__} hides lineal's own package {name!r}: "
                "rename it, or start lineal from another directory"
            )
    return problems

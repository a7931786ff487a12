"""What a named bug needs to show, taken where nothing else was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineal import registry
from lineal.definition import CAPABILITIES_BY_ENVIRONMENT, hyphenated

if TYPE_CHECKING:
    import argparse

    from lineal.definition import Test
    from systems_under_test.system import Bug


def expose(args: argparse.Namespace, environment: str) -> list[str]:
    """Give the flags the bug's workload and faults where they name none; what it took, in a line.

    Faults that the environment does not carry are left out: `warnings_of` then names them. An
    explicit `--nemesis none` stays. Raises UsageProblem for an unknown system.
    """
    bugs = getattr(registry.system(args.system), "bugs", {}) if args.bug else {}
    bug: Bug | None = bugs.get(args.bug)
    if bug is None:
        return []
    taken = []
    if args.workload is None:
        args.workload = bug.workload
        if bug.workload != registry.system(args.system).workload_default:
            taken.append(f"--workload {bug.workload}")
    if args.nemesis is None and _carries(environment, bug.faults):
        args.nemesis = bug.faults
        if bug.faults != "none":
            taken.append(f"--nemesis {bug.faults}")
    if not taken:
        return []
    return [f"the bug {bug.name} brings along what it shows under: {' '.join(taken)}"]


def _carries(environment: str, faults: str) -> bool:
    from lineal.problems import uncarried_links
    from nemesis.plans import NEMESES, parse

    names = {item.partition("@")[0].partition(":")[0].strip() for item in faults.split(",")}
    carried = CAPABILITIES_BY_ENVIRONMENT.get(environment, frozenset())
    if not all(name in NEMESES and NEMESES[name].needs <= carried for name in names):
        return False
    return not uncarried_links(environment, parse(faults))


def warnings_of(test: Test) -> list[str]:
    """What may keep a named bug from showing, in sentences."""
    if test.bug is None:
        return []
    bug = test.system.bugs[test.bug]
    found = []
    if test.faults == "none" and bug.faults != "none":
        found.append(f"the bug {bug.name} shows under faults: --nemesis {bug.faults}")
    if test.workload != bug.workload:
        found.append(f"the bug {bug.name} shows in the workload {bug.workload}")
    if test.environment == "local" and "local" not in bug.environments:
        found.append(f"the bug {bug.name} shows in the simulation: --environment simulated")
    for name, value in bug.needs.items():
        if {**test.system_options, **test.workload_options}.get(name) != value:
            found.append(f"the bug {bug.name} needs --option {hyphenated(name)}={value}")
    return found

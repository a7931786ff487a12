"""`lineal list`: what there is, by name."""

from __future__ import annotations

import argparse
from typing import Any, Final

import msgspec

from lineal import registry
from lineal.cli.check_command import CHECKERS
from lineal.definition import hyphenated

EXAMPLES: Final = """\
examples:
  lineal list                     everything, a line each
  lineal list --json              the same for a program
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "list",
        help="what there is: systems, workloads, nemeses, models, checkers, findings",
        description="Everything that has a name.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(command=main)


def main(args: argparse.Namespace) -> int:
    """Print everything that has a name."""
    found = everything()
    if args.json:
        print(msgspec.json.encode(found, order="sorted").decode())
    else:
        _print(found)
    return 0


def everything() -> dict[str, Any]:
    """Everything that has a name, as JSON values."""
    from checker.findings import KINDS
    from checker.models import MODELS
    from lineal.definition import CAPABILITIES_BY_ENVIRONMENT
    from nemesis.plans import NEMESES

    return {
        "systems": {name: _system(registry.system(name)) for name in registry.SYSTEMS},
        "environments": {
            name: {
                "sentence": sentence,
                "carries": sorted(CAPABILITIES_BY_ENVIRONMENT[name]),
            }
            for name, sentence in registry.ENVIRONMENTS.items()
        },
        "nemeses": {
            name: {
                "sentence": nemesis.sentence,
                "variants": dict(nemesis.variants),
                "environments": [
                    environment
                    for environment, carried in CAPABILITIES_BY_ENVIRONMENT.items()
                    if nemesis.needs <= carried
                ],
            }
            for name, nemesis in NEMESES.items()
        },
        "models": {name: _sentence(model) for name, model in MODELS.items()},
        "checkers": {name: _sentence(registry.load(path)) for name, path in CHECKERS.items()},
        "findings": dict(KINDS),
    }


def _system(system: Any) -> dict[str, Any]:
    from systems_under_test.system import FaultPlanSummary

    nodes = tuple(f"n{i + 1}" for i in range(system.nodes_default))
    promises = system.promises({}, nodes, FaultPlanSummary(frozenset()))
    return {
        "nodes": system.nodes_default,
        "workloads": sorted(system.offers),
        "default_workload": system.workload_default,
        "options": {hyphenated(name): said for name, said in system.option_docs.items()},
        "promises": sorted(promises.claims),
        "bugs": {name: msgspec.to_builtins(bug) for name, bug in system.bugs.items()},
    }


def _sentence(thing: Any) -> str:
    return (thing.__doc__ or "").strip().partition("\n")[0]


def _exposed_by(bug: dict[str, Any], default_workload: str) -> str:
    """What else `lineal run` must be told for a bug to show: it adds nodes and options itself."""
    words = [] if bug["workload"] == default_workload else [f"--workload {bug['workload']}"]
    words += [] if bug["faults"] == "none" else [f"--nemesis {bug['faults']}"]
    return f" (shows with {' '.join(words)})" if words else ""


def _print(found: dict[str, Any]) -> None:
    for name, system in found["systems"].items():
        nodes = "1 node" if system["nodes"] == 1 else f"{system['nodes']} nodes"
        workloads = ", ".join(system["workloads"])
        default = f" (default {system['default_workload']})" if len(system["workloads"]) > 1 else ""
        print(f"system {name}: {nodes} by default; workloads {workloads}{default}")
        for option, sentence in system["options"].items():
            print(f"    --option {option}: {sentence}")
        for bug, about in system["bugs"].items():
            finding = about["finding"] or about["found_by"]
            exposed = _exposed_by(about, system["default_workload"])
            print(f"    --bug {bug}: {about['sentence']} -> {finding}{exposed}")
    for name, about in found["environments"].items():
        print(f"environment {name}: {about['sentence']}")
    for name, about in found["nemeses"].items():
        print(f"nemesis {name}: {about['sentence']} ({', '.join(about['environments'])})")
        for variant, sentence in about["variants"].items():
            print(f"    {name}:{variant}: {sentence}")
    for what in ("models", "checkers", "findings"):
        for name, sentence in found[what].items():
            print(f"{what[:-1]} {name}: {sentence}")

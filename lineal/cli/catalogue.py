"""Everything that has a name, with what a user wants to know of it: what `lineal list` shows."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lineal import registry
from lineal.cli.check_command import CHECKERS
from lineal.definition import CAPABILITIES_BY_ENVIRONMENT, Test, hyphenated
from systems_under_test.environments.docker.options import DockerOptions
from systems_under_test.environments.ssh.places import SshOptions
from systems_under_test.foreign import ENVIRONMENTS as FOREIGN_ENVIRONMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from checker.claims import Promises
    from systems_under_test.system import Bug


_OPTIONS: Final[Mapping[str, type]] = {"docker": DockerOptions, "ssh": SshOptions}
"""What can be chosen of an environment."""


def everything() -> dict[str, Any]:
    """Section -> name -> what there is to know of it, as JSON values."""
    return {section: of_section(section) for section in SECTIONS}


def of_section(section: str) -> dict[str, Any]:
    """Name -> what there is to know of it, as JSON values."""
    return SECTIONS[section]()


def of_system(name: str) -> dict[str, Any]:
    """One system whole, by its name or its path. Raises UsageProblem."""
    system = registry.system(name)
    if not registry.is_system(getattr(system, "system", system)):
        why = f"{name} is no system, and of your own things only systems are listed"
        raise registry.UsageProblem([why])
    foreign = Test(system=system).foreign is not None
    judged: frozenset[str] = frozenset()
    for offer in system.offers.values():
        judged |= offer.workload().claims
    promised = _promised_calmly(system)
    return {
        "sentence": _sentence(type(getattr(system, "system", system))),
        "nodes": system.nodes_default,
        "environments": sorted(FOREIGN_ENVIRONMENTS if foreign else CAPABILITIES_BY_ENVIRONMENT),
        "workloads": sorted(system.offers),
        "default_workload": system.workload_default,
        "options": {hyphenated(name): said for name, said in system.option_docs.items()},
        "promises": sorted(promised.claims & judged),
        "not_promised": {
            claim: why for claim, why in sorted(promised.withdrawn.items()) if claim in judged
        },
        "bugs": {name: _bug(system, bug) for name, bug in system.bugs.items()},
    }


def _promised_calmly(system: Any) -> Promises:
    from systems_under_test.system import FaultPlanSummary

    nodes = tuple(f"n{i + 1}" for i in range(system.nodes_default))
    promised: Promises = system.promises({}, nodes, FaultPlanSummary(frozenset()))
    return promised


def _bug(system: Any, bug: Bug) -> dict[str, Any]:
    """A bug, with the checkers that find it where the run is as the bug asks for."""
    about: dict[str, Any] = msgspec.to_builtins(bug)
    about["needs"] = {hyphenated(name): value for name, value in bug.needs.items()}
    return {**about, "checkers": _finders(system, bug)}


def _finders(system: Any, bug: Bug) -> list[str]:
    """The judges of its workload that are held to a claim which its finding breaks."""
    test = Test(
        system=system,
        bug=bug.name,
        workload=bug.workload,
        faults=bug.faults,
        environment="simulated",
    )
    claimed = {claim for claim in test.promises().claims if _broken_by(claim) == bug.finding}
    judges = test.made_workload.judges
    return sorted({j.name for j in judges if claimed & getattr(j, "claims", frozenset())})


def _broken_by(claim: str) -> str:
    """The kind of finding that breaks a claim; `checker.claims` says how they are named."""
    if claim == "linearizable":
        return "not-linearizable"
    return claim.removesuffix("-online").removesuffix("-by-time")


def _systems() -> dict[str, Any]:
    return {name: of_system(name) for name in registry.SYSTEMS}


def _bugs() -> dict[str, Any]:
    """System -> its bugs, by name."""
    return {name: about["bugs"] for name, about in _systems().items() if about["bugs"]}


def _workloads() -> dict[str, Any]:
    from workloads.registry import WORKLOADS

    offers = {name: registry.system(name).offers for name in registry.SYSTEMS}
    return {
        name: {
            "sentence": named.sentence,
            "options": {hyphenated(option): said for option, said in named.parameters.items()},
            "systems": [system for system, offered in offers.items() if name in offered],
            "checkers": sorted({judge.name for judge in named.make().judges}),
        }
        for name, named in WORKLOADS.items()
    }


def _environments() -> dict[str, Any]:
    return {
        name: {
            "sentence": sentence,
            "carries": sorted(CAPABILITIES_BY_ENVIRONMENT[name]),
            "options": _fields_of(_OPTIONS[name]) if name in _OPTIONS else {},
        }
        for name, sentence in registry.ENVIRONMENTS.items()
    }


def _nemesis_options() -> dict[str, str]:
    from nemesis.options import FaultOptions

    return _fields_of(FaultOptions)


def _fields_of(options: type) -> dict[str, str]:
    """The fields of an options class, as they are spelled, with what stands below each of them."""
    (of_class,) = ast.parse(textwrap.dedent(inspect.getsource(options))).body
    assert isinstance(of_class, ast.ClassDef)
    found: dict[str, str] = {}
    for line, below in itertools.pairwise(of_class.body):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            assert isinstance(below, ast.Expr), f"{line.target.id} has no sentence"
            said = ast.literal_eval(below.value)
            found[hyphenated(line.target.id)] = " ".join(said.split())
    return found


def _nemeses() -> dict[str, Any]:
    from nemesis.plans import NEMESES

    return {
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
    }


def _targets() -> dict[str, str]:
    from nemesis.targets import WORDS

    return dict(WORDS)


def _models() -> dict[str, str]:
    from checker.models import MODELS

    return {name: _sentence(model) for name, model in MODELS.items()}


def _checkers() -> dict[str, Any]:
    found = {name: registry.load(path) for name, path in CHECKERS.items()}
    return {
        name: {
            "sentence": _sentence(checker),
            "claims": sorted(getattr(checker(), "claims", frozenset())),
        }
        for name, checker in found.items()
    }


def _claims() -> dict[str, str]:
    from checker.claims import CLAIMS

    return dict(CLAIMS)


def _findings() -> dict[str, str]:
    from checker.findings import KINDS

    return {str(kind): sentence for kind, sentence in KINDS.items()}


def _sentence(thing: Any) -> str:
    """The first paragraph of its docstring."""
    said = inspect.getdoc(thing) or ""
    return " ".join(said.partition("\n\n")[0].split())


SECTIONS: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "systems": _systems,
    "workloads": _workloads,
    "environments": _environments,
    "nemeses": _nemeses,
    "nemesis-options": _nemesis_options,
    "targets": _targets,
    "bugs": _bugs,
    "models": _models,
    "checkers": _checkers,
    "claims": _claims,
    "findings": _findings,
}

"""A test: what is asked of which system, where, under which faults, and from which seed."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

from checker.claims import Promises
from checker.verdict import Budget
from lineal import problems, registry
from lineal.registry import UsageProblem
from nemesis.asking import asked_plans
from nemesis.membership import CHANGES
from nemesis.options import options_of as fault_options_of
from nemesis.plan import FaultPlan
from nemesis.plans import missing_capabilities, parse
from nemesis.zones import thirds, zones_of
from systems_under_test.environments.cluster import CAPABILITIES
from systems_under_test.environments.docker.options import CARRIED as DOCKER_CARRIES
from systems_under_test.environments.ssh.places import names_of
from systems_under_test.foreign import CARRIED as FOREIGN_CARRY
from systems_under_test.foreign import ENVIRONMENTS as FOREIGN_ENVIRONMENTS
from systems_under_test.foreign import Adopted, is_foreign

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checker.history.columns import History
    from systems_under_test.system import Administration, Bug, BundledSystem, Offer, System
    from workloads.workload import Workload

_ALL: Final = frozenset(CAPABILITIES)
CAPABILITIES_BY_ENVIRONMENT: Mapping[str, frozenset[str]] = {
    "local": _ALL,
    "docker": DOCKER_CARRIES,
    "ssh": _ALL,
    "simulated": _ALL - {"cpu", "memory"},
}


TAIL_S: Final = 1.0
"""So long the end of a drive is quiet, but a tenth of it at most, unless it is said."""
SIMULATED_STEPS_MAX: Final = 20_000_000
"""The budget for checking a simulated run, unless another is given."""


@dataclass(frozen=True, kw_only=True)
class Test:
    """One test. The value is complete: with the version it decides a simulated run byte for byte.

    `rate` is operations per second over all clients; times are in seconds. With
    `live_check` the run is judged while it goes on, and driving ends at the first violation of
    linearizability. `options` are those of the system and of its workload together, as on the
    command line. In the environment `ssh` the
    nodes are given as machines, which become `addresses`, and get names. `definition` names the
    function that made this test and `parameters` its arguments, so that a run directory can be run
    again; without them the test is inline and `replay` says so.
    """

    __test__ = False  # Not a test case of pytest's.

    system: System
    workload: str = ""
    environment: str = "local"
    nodes: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    environment_options: Mapping[str, Any] = field(default_factory=dict)
    faults: str | FaultPlan = "none"
    fault_options: Mapping[str, Any] = field(default_factory=dict)
    bug: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    concurrency: int = 10
    rate: float = 50.0
    time_limit_s: float = 20.0
    operation_timeout_s: float = 5.0
    ready_limit_s: float = 30.0
    recovery_limit_s: float = 60.0
    seed: int = 0
    live_check: bool = False
    budget: Budget = field(default_factory=Budget)
    definition: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fill in what the system knows better: nodes and workload."""
        if is_foreign(self.system) and not isinstance(self.system, Adopted):
            object.__setattr__(self, "system", Adopted(self.system))
        if self.environment == "ssh" and self.nodes and not self.addresses:
            object.__setattr__(self, "addresses", self.nodes)
            object.__setattr__(self, "nodes", names_of(self.addresses))
        if not self.nodes:
            count = (self._named_bug and self._named_bug.nodes) or self.system.nodes_default
            names = tuple(f"n{i + 1}" for i in range(count))
            object.__setattr__(self, "nodes", names)
        if not self.workload:
            object.__setattr__(self, "workload", self.system.workload_default)
        spelled = {name.replace("-", "_"): value for name, value in self.options.items()}
        object.__setattr__(self, "options", spelled)
        if self.environment == "simulated" and self.budget == Budget():
            # In steps, so that the verdict does not depend on the machine either.
            object.__setattr__(self, "budget", Budget(steps=SIMULATED_STEPS_MAX))

    @property
    def name(self) -> str:
        """The name under which its runs are kept: `<system>-<workload>`."""
        return f"{self.system.name}-{self.workload}"

    @cached_property
    def offer(self) -> Offer:
        """The workload as the system offers it; UsageProblem if it does not."""
        if self.workload not in self.system.offers:
            what = f"workload of {self.system.name}"
            raise registry.unknown_name(what, self.workload, self.system.offers)
        return self.system.offers[self.workload]

    @cached_property
    def system_options(self) -> dict[str, Any]:
        """The options that are the system's, with those that the bug needs."""
        return {k: v for k, v in self._given.items() if k not in self.workload_options}

    @cached_property
    def workload_options(self) -> dict[str, Any]:
        """The options that are the workload's parameters."""
        names = set(self._parameter_names()) - set(self.system.option_docs)
        return {name: value for name, value in self._given.items() if name in names}

    @cached_property
    def _given(self) -> dict[str, Any]:
        """The options that were given, and before them those that the bug needs."""
        bug = self._named_bug
        return {**(bug.needs if bug else {}), **self.options}

    @property
    def _named_bug(self) -> Bug | None:
        return self.system.bugs.get(self.bug) if self.bug else None

    @cached_property
    def made_workload(self) -> Workload:
        """The workload itself; UsageProblem where its parameters are wrong."""
        try:
            return self.offer.workload(**self.workload_options)
        except ValueError as error:
            raise UsageProblem(str(error).splitlines()) from error

    @cached_property
    def plan(self) -> FaultPlan:
        """The fault plan; UsageProblem where its description is wrong."""
        if isinstance(self.faults, FaultPlan):
            return self.faults
        registry.reach_own_modules()
        try:
            options = fault_options_of(self.fault_options)
            return parse(
                self.faults, capabilities=self.drawn_of, spares=self.spares, options=options
            )
        except ValueError as error:
            raise UsageProblem(str(error).splitlines()) from error

    @property
    def capabilities(self) -> frozenset[str]:
        """What its environment carries for it; nothing for an environment that there is not."""
        carried = CAPABILITIES_BY_ENVIRONMENT.get(self.environment, frozenset())
        return carried if self.foreign is None else carried & FOREIGN_CARRY

    @property
    def drawn_of(self) -> frozenset[str]:
        """What `all` draws faults of: not of what takes more than is found everywhere."""
        if self.environment == "ssh":
            return self.capabilities - {"link", "cpu", "memory"}
        return self.capabilities if self.foreign is None else self.capabilities - {"link", "disk"}

    @property
    def foreign(self) -> Adopted | None:
        """The system, if it is a foreign one."""
        return self.system if isinstance(self.system, Adopted) else None

    @property
    def bundled(self) -> BundledSystem:
        """The system, which is one of our own."""
        assert self.foreign is None
        return cast("BundledSystem", self.system)

    @property
    def has_dump(self) -> bool:
        """Whether its nodes tell everything that they hold."""
        return self.foreign is None and self.bundled.dump_request is not None

    @property
    def administration(self) -> Administration | None:
        """Who words the admin's orders; None where the system's members cannot be changed."""
        return getattr(self.system, "administration", None)

    @property
    def spares(self) -> tuple[str, ...]:
        """The nodes that are no members at first; none where the options are wrong."""
        if self.administration is None or self.system.problems(self.system_options, self.nodes):
            return ()
        return self.administration.spares(self.system_options, self.nodes)

    @cached_property
    def zones(self) -> tuple[tuple[str, ...], ...]:
        """Nodes that share a fate: as asked for, else as the system has them, else thirds."""
        given = fault_options_of(self.fault_options).zones
        if given:
            return zones_of(given, self.nodes)
        of_system = getattr(self.system, "zones", None)
        return (of_system and of_system(self.system_options, self.nodes)) or thirds(self.nodes)

    @cached_property
    def asked_faults(self) -> dict[str, frozenset[str]]:
        """Each nemesis that was asked for, with the faults of which it injects any."""
        if isinstance(self.faults, FaultPlan):
            return {self.plan.name: self.plan.nemesis.faults} if self.plan.nemesis.faults else {}
        items = [item.strip() for item in self.faults.split(",")]
        asked = {}
        for item in items:
            faults = parse(item, capabilities=self.drawn_of, spares=self.spares).nemesis.faults
            if faults:
                asked[item] = faults
        return asked

    def missed_nemeses(self, injected: set[str], plans: set[str]) -> list[str]:
        """What was asked for and injected nothing, with the reason where it is known.

        `injected` are the names of the faults that were begun, `plans` the plans that began any.
        """
        asked = asked_plans(self.plan)
        if asked is None:
            return [name for name, faults in self.asked_faults.items() if not faults & injected]
        return [name + (why and f" ({why})") for name, why in asked.items() if name not in plans]

    @property
    def faults_end_ns(self) -> int:
        """When the last faults are healed, so that the end of the drive is quiet."""
        tail_s = fault_options_of(self.fault_options).tail
        tail_s = min(TAIL_S, self.time_limit_s / 10) if tail_s is None else tail_s
        return int(max(0.0, self.time_limit_s - tail_s) * 1e9)

    def promises(self, history: History | None = None) -> Promises:
        """What it claims under this plan, or what that struck in a run, of what can be judged."""
        plan = self.plan.summary(history)
        promised = self.system.promises(self.system_options, self.nodes, plan)
        judged = self.made_workload.claims
        claims = (promised.claims | self._upheld(history)) & judged
        withdrawn = {c: why for c, why in promised.withdrawn.items() if c in judged - claims}
        bounds = {c: bound for c, bound in promised.bounds.items() if c in judged}
        return Promises(claims, withdrawn, bounds)

    def _upheld(self, history: History | None) -> frozenset[str]:
        """What its bug claims although a fault of this plan withdraws it."""
        bug = self._named_bug
        if bug is None or bug.upholds is None:
            return frozenset()
        claim, fault = bug.upholds
        plan = self.plan.summary(history)
        without = replace(plan, faults=plan.faults - {fault})
        return self.system.promises(self.system_options, self.nodes, without).claims & {claim}

    def problems(self) -> list[str]:
        """Every problem of the definition at once, in sentences; empty if it can be run."""
        found: list[str] = []
        if self.environment not in CAPABILITIES_BY_ENVIRONMENT:
            valid = ", ".join(sorted(CAPABILITIES_BY_ENVIRONMENT))
            found.append(f"unknown environment {self.environment!r}; there are: {valid}")
        if self.bug is not None and self.bug not in self.system.bugs:
            valid = ", ".join(sorted(self.system.bugs)) or "none"
            found.append(f"unknown bug {self.bug!r} of {self.system.name}; there are: {valid}")
        elif self.foreign is not None and self.environment not in FOREIGN_ENVIRONMENTS:
            found.append(
                f"{self.system.name} is a foreign system, which the environment "
                f"{self.environment} has no place for; add "
                f"{' or '.join(f'--environment {name}' for name in FOREIGN_ENVIRONMENTS)}"
            )
        found += problems.of_numbers(self) + problems.of_machines(self)
        if len(set(self.nodes)) < len(self.nodes):
            found.append(f"nodes {', '.join(self.nodes)}: a name stands twice")
        for attribute in ("offer", "made_workload", "plan"):
            try:
                getattr(self, attribute)
            except UsageProblem as error:
                found += [p for p in error.problems if p not in found]
        if found:
            return found
        known = set(self.system.option_docs) | set(self.workload_options)
        unknown = sorted(set(self.options) - known)
        if unknown:
            names = {*self.system.option_docs, *self._parameter_names()}
            valid = ", ".join(sorted(hyphenated(name) for name in names))
            found += [
                f"unknown option {hyphenated(name)!r}; there are: {valid}" for name in unknown
            ]
            return found
        of_options = self.system.problems(self.system_options, self.nodes)
        found += of_options + problems.of_sharing(self) + problems.of_containers(self)
        if of_options:  # What is left to ask takes options that can be read.
            return found
        found += problems.of_storage(self)
        found += problems.of_resources(self)
        found += problems.of_links(self)
        found += self._problems_of_faults()
        if self.live_check:
            from lineal.live_check import problems_of

            found += problems_of(self)
        return list(dict.fromkeys(found))

    def _parameter_names(self) -> list[str]:
        return list(inspect.signature(self.offer.workload).parameters)

    def _problems_of_faults(self) -> list[str]:
        offered: frozenset[str] = getattr(self.system, "role_names", frozenset())
        found = [
            f"the nemesis `{self.plan.name}` strikes the {role}, and {self.system.name} has none"
            for role in sorted(self.plan.roles - offered)
        ]
        if self.administration is None and self.plan.nemesis.faults & CHANGES.keys():
            found.append(f"the members of {self.system.name} cannot be changed by orders")
        elif self.plan.nemesis.faults & CHANGES.keys():
            ask = getattr(self.administration, "problems", None)
            found += [] if ask is None else ask(self.system_options)
        zones = None
        try:
            zones = self.zones
        except ValueError as error:
            found.append(str(error))
        found += missing_capabilities(
            self.plan, self.environment, self.capabilities, self.nodes, zones, self.spares
        )
        return found

    def to_json(self) -> dict[str, Any]:
        """What `test.json` holds of the definition."""
        return {
            "definition": self.definition,
            "parameters": dict(self.parameters),
            "system": self.system.name,
            "workload": self.workload,
            "environment": self.environment,
            "nodes": list(self.nodes),
            "addresses": list(self.addresses),
            "environment_options": dict(self.environment_options),
            "nemesis": self.faults if isinstance(self.faults, str) else self.faults.name,
            "nemesis_options": dict(self.fault_options),
            "bug": self.bug,
            "options": dict(self.options),
            "seed": self.seed,
            "limits": {
                "concurrency": self.concurrency,
                "rate": self.rate,
                "time_limit_s": self.time_limit_s,
                "operation_timeout_s": self.operation_timeout_s,
                "ready_limit_s": self.ready_limit_s,
                "recovery_limit_s": self.recovery_limit_s,
            },
        }


def hyphenated(name: str) -> str:
    """A name as people write it."""
    return name.replace("_", "-")


STANDARD = "lineal.definition:standard"
OWN = "lineal.definition:own"


def standard(*, system: str, **parameters: Any) -> Test:
    """The test that `lineal run SYSTEM` makes: the system by name, the rest fields of `Test`."""
    found = registry.system(system)
    named = {"system": system, **parameters}
    if "nodes" in parameters:
        parameters["nodes"] = tuple(parameters["nodes"])
    if "budget" in parameters:
        parameters["budget"] = Budget(**parameters["budget"])
    return Test(system=found, definition=STANDARD, parameters=named, **parameters)


def own(*, path: str, seed: int, arguments: Mapping[str, Any], given: Mapping[str, Any]) -> Test:
    """A user's own test: the function at `path`, called with the seed and these arguments.

    `given` are fields of `Test` that were asked for besides, as the environment.
    """
    function = registry.load(path)
    spelled = {name.replace("-", "_"): value for name, value in arguments.items()}
    try:
        test = function(seed=seed, **spelled)
    except Exception as error:
        raise UsageProblem([f"{path}: {error!r}"]) from error
    if not isinstance(test, Test):
        raise UsageProblem([f"{path} is neither a system nor a function that returns a Test"])
    changes = dict(given)
    if "nodes" in changes:
        changes["nodes"] = tuple(changes["nodes"])
    if "budget" in changes:
        changes["budget"] = Budget(**changes["budget"])
    parameters = {"path": path, "seed": seed, "arguments": arguments, "given": given}
    return replace(test, seed=seed, definition=OWN, parameters=parameters, **changes)

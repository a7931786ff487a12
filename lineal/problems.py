"""What is wrong with a test's numbers and environment, in sentences, before anything starts."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

from systems_under_test.environments.cluster import DiskQuality, LinkQuality
from systems_under_test.environments.docker import slow_writes
from systems_under_test.environments.docker.options import LOOP
from systems_under_test.environments.docker.options import options_of as docker_options_of
from systems_under_test.environments.local import resources
from systems_under_test.environments.ssh.places import CARRIED as SSH_LINKS
from systems_under_test.environments.ssh.places import options_of, places_of, sharing

if TYPE_CHECKING:
    from lineal.definition import Test
    from nemesis.plan import FaultPlan

_DISK_FIELDS: Final = frozenset(field.name for field in fields(DiskQuality))
_LINK_FIELDS: Final = frozenset(field.name for field in fields(LinkQuality))


def of_numbers(test: Test) -> list[str]:
    """What is too much or too little."""
    rules = {
        "concurrency": (1 <= test.concurrency <= 10_000, "between 1 and 10000 clients"),
        "rate": (0 < test.rate <= 1_000_000, "operations per second, above 0"),
        "time limit": (0 < test.time_limit_s <= 86_400 * 7, "seconds, above 0, a week at most"),
        "operation time-out": (0 < test.operation_timeout_s <= 3_600, "seconds, above 0"),
        "seed": (test.seed >= 0, "an integer from 0"),
    }
    return [f"{name}: must be {rule}" for name, (good, rule) in rules.items() if not good]


def of_machines(test: Test) -> list[str]:
    """Where its nodes are to be."""
    if test.environment != "ssh":
        return [
            f"node {name!r} is no name; only the environment ssh takes machines"
            for name in test.nodes
            if not name.isidentifier()
        ] + [
            f"the environment {test.environment} has no option {key!r}: it takes none; "
            "docker and ssh take some"
            for key in test.environment_options
            if test.environment != "docker"
        ]
    if not test.addresses:
        return ["the environment ssh needs machines: --nodes user@host:port,..."]
    found: list[str] = []
    for read in (
        lambda: places_of(test.addresses),
        lambda: options_of(test.environment_options),
    ):
        try:
            read()
        except ValueError as error:
            found += str(error).splitlines()
    return found


def of_containers(test: Test) -> list[str]:
    """What containers cannot be made to carry so."""
    if test.environment != "docker":
        return []
    try:
        options = docker_options_of(test.environment_options)
    except ValueError as error:
        return str(error).splitlines()
    plan = test.plan
    foreign = test.foreign is not None
    return options.problems(plan.nemesis.needs, plan.qualities, foreign=foreign)


def of_storage(test: Test) -> list[str]:
    """What can be done to a live node's disk depends on the engine that keeps its state."""
    if test.environment == "simulated":
        return []
    if test.foreign is not None:
        return _of_foreign_storage(test)
    engine = test.bundled.engine(test.system_options)
    plan, found = test.plan.nemesis, []
    if "disk" in plan.needs and engine == "memory":
        found.append("no disk faults where the engine is `memory`: nothing is on the disk")
    if engine == "lmdb" and "damage" in plan.faults:
        found.append("no damage to what the engine `lmdb` has stored; `sqlite` carries it")
    if engine == "lmdb" and "power" in plan.needs and not _has_own_disks(test):
        found.append(
            "no power loss here where the engine is `lmdb`: what it has not synced is not "
            "known; take `sqlite`, or the environment docker with disk=loop"
        )
    return found


def _of_foreign_storage(test: Test) -> list[str]:
    """Of programs of others power and files can be taken, and the kernel be full or slow."""
    plan, found = test.plan, []
    if "power" in plan.nemesis.needs and not _has_own_disks(test):
        found.append(f"no power loss for {test.system.name} without disk=loop, which takes root")
    if "disk" in plan.nemesis.needs:
        asked = plan.qualities & _DISK_FIELDS
        if others := ", ".join(sorted(asked - {"slow_ns", "full"})):
            found.append(
                f"no failing disk for {test.system.name} ({others}): nothing here makes reads and "
                "writes of other people's programs fail; there are disk:full, disk:slow and damage"
            )
        own = None if _has_own_disks(test) else "it takes disk=loop, so root"
        reasons = {"slow_ns": ("slow", own or slow_writes.cannot()), "full": ("full", own)}
        found += [
            f"no {what} disk for {test.system.name}: {reason}"
            for field, (what, reason) in reasons.items()
            if field in asked and reason
        ]
    return found


def _has_own_disks(test: Test) -> bool:
    if test.environment != "docker":
        return False
    return docker_options_of(test.environment_options).resolved({"power"}).disk == LOOP


def of_resources(test: Test) -> list[str]:
    """Whether this machine lets its processes be limited."""
    if test.environment != "local" or not test.plan.nemesis.needs & {"cpu", "memory"}:
        return []
    reason = resources.cannot()
    return [f"processes cannot be limited on this machine: {reason}"] if reason else []


def uncarried_links(environment: str, plan: FaultPlan) -> frozenset[str]:
    """The fields of `LinkQuality` that the plan uses and the links of this environment lack."""
    return plan.qualities & _LINK_FIELDS - SSH_LINKS if environment == "ssh" else frozenset()


def of_links(test: Test) -> list[str]:
    """What the packet filters of machines do not do to a link."""
    others = ", ".join(sorted(uncarried_links(test.environment, test.plan)))
    if not others:
        return []
    what = "iptables loses and holds packets; there are link:lossy and link:hold"
    return [f"the environment ssh cannot carry these link faults ({others}): {what}"]


def of_sharing(test: Test) -> list[str]:
    """Which machines cannot be told apart by their addresses."""
    if test.environment != "ssh" or not test.plan.nemesis.needs & {"partition", "link"}:
        return []
    return [
        f"no partition between nodes that share the address {host}: iptables could not tell "
        "them apart; give each node a machine of its own, or another --nemesis"
        for host in sharing(places_of(test.addresses))
    ]

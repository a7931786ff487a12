"""What machines can do, tried: for `lineal doctor --nodes`."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.ssh.machines import attend_all, cannot_cut, side_by_side
from systems_under_test.environments.ssh.payload import node_closure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from systems_under_test.environments.ssh.machines import Machine
    from systems_under_test.environments.ssh.places import Place, SshOptions

REPLICA: Final = "systems_under_test.atomic.replica:make_replica"
NOBODY: Final = ("192.0.2.1", 9)
"""An address that is set aside for documentation."""

GOOD: Final = "ok"
MISSING: Final = "missing"
ABSENT: Final = "absent"
"""Only some runs need it."""

Said = tuple[str, str, str]


def survey(places: Sequence[Place], options: SshOptions) -> Iterator[Said]:
    """What it is about, what was found, and whether it is good, missing or absent; a line each.

    Everything is done that a run does, but for the node: files are sent, an attendant is started,
    a chain is made, and all of it is taken away again.
    """

    closure = node_closure(REPLICA)
    machines: list[Machine] = []

    def reach(place: Place) -> Machine | EnvironmentFailed:
        try:
            (machine,) = attend_all(
                [place],
                options,
                closure=closure,
                run_id=secrets.token_hex(4),
                on_log={place.name: lambda data: None},
            )
        except EnvironmentFailed as error:
            return error
        machines.append(machine)
        return machine

    try:
        found = side_by_side(reach, places)
        for place, one in zip(places, found, strict=True):
            if isinstance(one, EnvironmentFailed):
                yield place.name, str(one), MISSING
            else:
                yield place.name, _about(one), GOOD
                yield _partitions(one)
                yield _resources(one)
        reached = [one for one in found if not isinstance(one, EnvironmentFailed)]
        for reason in cannot_cut(reached):
            yield "partitions", reason, MISSING
    finally:
        left = [said for said in side_by_side(lambda one: one.session.end(), machines) if said]
    for said in left:
        yield "cleaning up", said, MISSING


def _about(machine: Machine) -> str:
    version = ".".join(map(str, machine.python.version))
    return (
        f"{machine.session.way}: Python {version} at {machine.python.path}, "
        f"{machine.round_trip_s * 1e3:.1f} ms away, clock {machine.clock_offset_ns / 1e9:+.3f} s"
    )


def _partitions(machine: Machine) -> Said:
    what = f"{machine.place.name} partitions"
    try:
        machine.session.ask("firewall", peers=[NOBODY])
    except EnvironmentFailed as error:
        return what, str(error), MISSING
    return what, "iptables takes a chain of ours", GOOD


def _resources(machine: Machine) -> Said:
    what = f"{machine.place.name} resources"
    try:
        machine.session.ask("resources", verb="open")
    except EnvironmentFailed as error:
        return what, str(error), ABSENT
    return what, "control groups with processor and memory can be made", GOOD

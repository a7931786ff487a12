"""Machines from the first connection to an attendant on each: found fit, or said why not."""

from __future__ import annotations

import contextlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.ssh.connecting import connect, way_to
from systems_under_test.environments.ssh.payload import (
    asking_python,
    pack,
    python_of,
    unpacking,
)
from systems_under_test.environments.ssh.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from systems_under_test.environments.docker.closure import Closure
    from systems_under_test.environments.ssh.payload import RemotePython
    from systems_under_test.environments.ssh.places import Place, SshOptions

T = TypeVar("T")
R = TypeVar("R")

logger = logging.getLogger("lineal.ssh")

THREADS_MAX: Final = 32
SAMPLES: Final = 3
CLOCKS_APART_NS_MAX: Final = 500_000_000


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine with an attendant on it."""

    place: Place
    session: Session
    python: RemotePython
    directory: str
    address: str
    """Its address as it knows it itself: what its packets to other machines carry."""
    reached_at: str
    """Its address as we reach it."""
    harness: str
    """Our address as it sees it."""
    stack: str
    """Its network stack: two addresses may belong to one."""
    round_trip_s: float
    clock_offset_ns: int
    """How far its wall clock is ahead of ours."""


def attend_all(
    places: Sequence[Place],
    options: SshOptions,
    *,
    closure: Closure,
    run_id: str,
    on_log: Mapping[str, Callable[[bytes], None]],
) -> list[Machine]:
    """An attendant on every machine; none if one of them fails, with every failure told."""
    chain = chain_of(run_id)
    with contextlib.ExitStack() as undoing:

        def open_session(place: Place) -> Session:
            way = way_to(place, options)
            session = Session(way, connect(way), on_log[place.name])
            undoing.callback(session.end)
            return session

        def attend(found: tuple[Session, RemotePython]) -> Machine:
            session, python = found
            packed = payloads[str(python)]
            prefix = f"lineal-{run_id}-{session.way.place.name}-"
            command = unpacking(python, len(packed), prefix, options.directory, chain)
            return _machine(session, python, session.begin(command, packed))

        sessions = side_by_side(open_session, places)
        pythons = side_by_side(lambda each: look_at(each, options, closure), sessions)
        payloads: dict[str, bytes] = {}
        for session, python in zip(sessions, pythons, strict=True):
            if str(python) not in payloads:
                try:
                    payloads[str(python)] = pack(closure, python)
                except EnvironmentFailed as error:
                    raise session.way.failure(str(error)) from error
        machines = side_by_side(attend, zip(sessions, pythons, strict=True))
        undoing.pop_all()
    return machines


def look_at(session: Session, options: SshOptions, closure: Closure) -> RemotePython:
    """The Python of a machine. Raises EnvironmentFailed if it cannot run a node."""
    _, said, complained = session.run(
        asking_python(options.python, tuple(sorted(closure.packages | closure.optional)))
    )
    try:
        return python_of(said)
    except ValueError as error:
        tried = options.python or "python3.11 and later"
        raise session.way.failure(
            f"{error} (tried: {tried}; {complained or 'nothing was said'}): install one, or name "
            "one with --environment-option python=PATH"
        ) from error


def chain_of(run_id: str) -> str:
    """The name of a run's chain; iptables takes 28 letters."""
    return f"LINEAL-{run_id}"


def cannot_cut(machines: Sequence[Machine]) -> list[str]:
    """Why links between these machines cannot be cut by their addresses, in sentences."""
    found = []
    harness = {machine.harness: machine for machine in machines}
    by_address: dict[str, Machine] = {}
    by_stack: dict[str, Machine] = {}
    for machine in machines:
        name = machine.place.name
        if ":" in machine.address:
            found.append(f"{name} has the IPv6 address {machine.address}; we cut IPv4 only")
        other = by_address.setdefault(machine.address, machine)
        same = by_stack.setdefault(machine.stack, machine)
        if machine.address in harness:
            found.append(
                f"{name} shares the address {machine.address} with the machine of this harness: "
                "iptables by address could not tell them apart"
            )
        if other is not machine or same is not machine:
            first = other if other is not machine else same
            found.append(
                f"{name} and {first.place.name} are on one machine ({machine.address}, "
                f"{first.address}): iptables by address could not tell them apart"
            )
    return found


def side_by_side(act: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """The results for all items, in order; if some failed, every failure in one error."""
    with ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="ssh") as pool:
        futures = [pool.submit(act, item) for item in items]
    failures = [error for future in futures if (error := future.exception()) is not None]
    for error in failures:
        if not isinstance(error, EnvironmentFailed):
            raise error
    if failures:
        raise EnvironmentFailed("\n".join(str(error) for error in failures)) from failures[0]
    return [future.result() for future in futures]


def _machine(session: Session, python: RemotePython, hello: Mapping[str, str]) -> Machine:
    samples = []
    for _ in range(SAMPLES):
        before, began = time.time_ns(), time.monotonic()
        wall = int(session.ask("now")["wall"])
        took_s = time.monotonic() - began
        samples.append((took_s, wall - (before + time.time_ns()) // 2))
    round_trip_s, offset_ns = min(samples)
    if abs(offset_ns) > CLOCKS_APART_NS_MAX:
        logger.warning(
            "the wall clock of %s is %+.3f s off ours: a system that trusts clocks may break by "
            "that alone",
            session.way,
            offset_ns / 1e9,
        )
    return Machine(
        place=session.way.place,
        session=session,
        python=python,
        directory=hello["directory"],
        address=hello["address"],
        reached_at=session.reached_at,
        harness=hello["harness"],
        stack=hello["stack"],
        round_trip_s=round_trip_s,
        clock_offset_ns=offset_ns,
    )

"""Ways into a node's own network, to run `nft` and `ss` there: from the host, by a sidecar, inside.

One small protocol; which way is taken depends on what the machine allows.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final, Protocol, cast

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.docker.engine import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from systems_under_test.environments.docker.engine import Engine
    from systems_under_test.environments.docker.supervised import Supervised

RUN_S_MAX: Final = 10.0

Outputs = tuple[bytes | None, bytes | None]
"""What a program printed, and what it complained of."""

Program = tuple["Sequence[str]", str]
"""A command and what it reads from standard input."""


class Entrance(Protocol):
    """Runs programs in the networks of nodes."""

    def run(self, programs: Mapping[str, Program]) -> Mapping[str, str]:
        """Run each node's program in its network, side by side; what they print.

        Raises EnvironmentFailed if any ends with another status than 0.
        """
        ...


class FromHost:
    """`nsenter` as root on this machine."""

    def __init__(self, pid: Callable[[str], int]) -> None:
        """`pid` tells the number of process 1 of a node's container, on this machine."""
        self._pid = pid

    def run(self, programs: Mapping[str, Program]) -> Mapping[str, str]:
        """As the protocol says."""
        entered = {
            node: (["nsenter", "-t", str(self._pid(node)), "-n", *command], fed)
            for node, (command, fed) in programs.items()
        }
        return run_here(entered)


class BySidecar:
    """`nsenter` in a container of our own that sees the processes of the machine."""

    def __init__(self, sidecar: Supervised, pid: Callable[[str], int]) -> None:
        self._sidecar = sidecar
        self._pid = pid

    def run(self, programs: Mapping[str, Program]) -> Mapping[str, str]:
        """As the protocol says."""
        entered: list[Program] = [
            (["nsenter", "-t", str(self._pid(node)), "-n", *command], fed)
            for node, (command, fed) in programs.items()
        ]
        return dict(zip(programs, self._sidecar.run(entered), strict=True))


class Inside:
    """`docker exec` as root in the node's container, which has NET_ADMIN then."""

    def __init__(self, engine: Engine, container: Callable[[str], str]) -> None:
        self._engine = engine
        self._container = container

    def run(self, programs: Mapping[str, Program]) -> Mapping[str, str]:
        """As the protocol says."""

        def one(item: tuple[str, Program]) -> str:
            node, (command, fed) = item
            # There is no standard input without taking the connection over: a shell's word is.
            line = ["sh", "-c", 'printf %s "$0" | "$@"', fed, *command]
            with in_words(f"running {command[0]} in {node}"):
                container = self._engine.client.containers.get(self._container(node))
                done = container.exec_run(line, user="0", demux=True)
            out, error = (text.decode() if text else "" for text in cast("Outputs", done.output))
            if done.exit_code:
                raise EnvironmentFailed(f"{node}: {' '.join(command)}: {(error or out).strip()}")
            return out

        return dict(zip(programs, self._engine.side_by_side(one, programs.items()), strict=True))


def run_here(programs: Mapping[str, Program]) -> Mapping[str, str]:
    """Run programs on this machine side by side; what they print. Raises EnvironmentFailed."""
    running: dict[str, subprocess.Popen[str]] = {}
    outputs: dict[str, str] = {}
    failures: list[str] = []
    try:
        for name, (command, _) in programs.items():
            running[name] = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        for name, (command, fed) in programs.items():
            outputs[name], error = running[name].communicate(fed, timeout=RUN_S_MAX)
            if running[name].returncode:
                failures.append(f"{name}: {' '.join(command)}: {error.strip()}")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFailed(f"a program could not be run: {error}") from error
    finally:
        for process in running.values():
            if process.poll() is None:
                process.kill()
                process.communicate()
    if failures:
        raise EnvironmentFailed("; ".join(failures))
    return outputs

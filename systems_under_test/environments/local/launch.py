"""How a node's process is started: its command line, its environment, its log."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

import systems_under_test
from systems_under_test.environments.cluster import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems_under_test.environments.cluster import ClusterSpec
    from systems_under_test.host.clock import ClockSetting

Address = tuple[str, int]

LOG: Final = "node.log"
LOG_TAIL_BYTES: Final = 4_096
LOG_TAIL_LINES: Final = 8


def child_environment(replica_path: str) -> dict[str, str]:
    """The environment of nodes and guardian: they import what the harness imports.

    They start with `-P`, which keeps the working directory off their path, so what is not
    installed in the interpreter must be named: this project and the replica's package.
    """
    installed = {sysconfig.get_path(kind) for kind in ("purelib", "platlib", "stdlib")}
    roots = [str(Path(systems_under_test.__file__).parent.parent)]
    found = importlib.util.find_spec(replica_path.partition(":")[0].partition(".")[0])
    if found is not None and found.submodule_search_locations:
        roots += [str(Path(place).parent) for place in found.submodule_search_locations]
    elif found is not None and found.origin is not None and found.has_location:
        roots.append(str(Path(found.origin).parent))
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = [root for root in dict.fromkeys([*roots, *inherited]) if root and root not in installed]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def node_command(
    spec: ClusterSpec,
    *,
    node: str,
    directory: PurePath,
    client: Address,
    listen: Address,
    peers: Mapping[str, Address],
    clients: Mapping[str, Address] | None = None,
    clock: ClockSetting,
    lives: int = 0,
    disk: PurePath | None = None,
    interpreter: str = sys.executable,
) -> list[str]:
    """The command line of a node's process."""
    command = [interpreter, "-P", "-m", "systems_under_test.host", "--control", "--reuse-port"]
    command += ["--node", node, "--nodes", ",".join(spec.nodes)]
    command += ["--replica", spec.replica_path, "--options", json.dumps(dict(spec.options))]
    command += ["--engine", spec.engine, "--directory", str(directory), f"--seed={spec.seed}"]
    command += ["--client", _text(client), "--listen", _text(listen)]
    command += [f"--clock={clock.since_ns},{clock.wall_offset_ns},{clock.rate_ppm}"]
    if spec.objects is not None:
        command += ["--objects", str(spec.objects)]
    if lives:
        command += ["--lives", str(lives)]
    if disk is not None:
        command += ["--disk", str(disk)]
    for name, address in peers.items():
        command += ["--peer", f"{name}={_text(address)}"]
    for name, address in (clients or {}).items():
        command += ["--redirect", f"{name}={_text(address)}"]
    if spec.bug is not None:
        command += ["--bug", spec.bug]
    return command


def spawn(
    command: list[str], *, node: str, log: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start the process, which waits for `go`. Raises EnvironmentFailed."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=out,
                env=dict(environment),
                bufsize=0,
                # A session of its own: Ctrl-C is sent to the whole group of the harness, which
                # takes its nodes down itself.
                start_new_session=True,
            )
    except OSError as error:
        raise EnvironmentFailed(f"node {node} cannot be started, log {log}: {error}") from error


def tail(log: Path) -> str:
    """The last lines of a node's log, indented, for an error message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError as error:
        return f"  (the log cannot be read: {error})"
    return "\n".join(f"  {line}" for line in lines[-LOG_TAIL_LINES:]) or "  (the log is empty)"


def _text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"

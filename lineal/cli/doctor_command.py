"""`lineal doctor`: what this machine can do, each line tried and not guessed."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lineal.cli import exit_status, values
from lineal.registry import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES: Final = """\
examples:
  lineal doctor                                     this machine
  lineal doctor --nodes root@10.0.0.1,root@10.0.0.2 machines for the environment ssh as well
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="what this machine can do",
        description="Try what a run needs, here and on machines that are named. "
        "Exit status 3 if something necessary is missing.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--nodes", type=values.nodes, help="machines: user@host:port,...")
    parser.add_argument(
        "--environment-option",
        type=values.option,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the environment ssh; may be repeated",
    )
    parser.set_defaults(command=main)


def main(args: argparse.Namespace) -> int:
    """Try everything; a line each. What only some runs need is never an error."""
    missing = 0
    for what, check in CHECKS.items():
        try:
            print(f"ok       {what}: {check()}")
        except Exception as error:
            # Whatever goes wrong here is just what the doctor is asked for.
            missing += 1
            print(f"missing  {what}: {error}")
    for what, check in OPTIONAL.items():
        try:
            print(f"ok       {what}: {check()}")
        except Exception as error:
            print(f"absent   {what}: {error}")
            break  # Each needs the one before.
    missing += _survey_machines(args)
    return exit_status.FAILED if missing else exit_status.VALID


def _survey_machines(args: argparse.Namespace) -> int:
    """Try the machines that were named; how much is missing."""
    if not args.nodes:
        return 0
    from systems_under_test.environments.ssh.places import options_of, places_of
    from systems_under_test.environments.ssh.survey import MISSING, survey

    try:
        places, options = places_of(args.nodes), options_of(dict(args.environment_option))
    except ValueError as error:
        raise UsageProblem(str(error).splitlines()) from error
    missing = 0
    for what, said, word in survey(places, options):
        print(f"{word:<8} {what}: {said}")
        missing += word == MISSING
    return missing


def _python() -> str:
    return f"{platform.python_version()} at {sys.executable}"


def _core() -> str:
    import checker._core

    return f"checker._core {checker._core.__version__}"


def _loopback() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname(), timeout=1):
            return "a connection to 127.0.0.1 is accepted"


def _signals() -> str:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    try:
        child.send_signal(signal.SIGSTOP)
        _, status = os.waitpid(child.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            raise RuntimeError("a process could not be paused")
    finally:
        child.kill()
        child.wait()
    return "a process can be paused and killed"


def _durable() -> str:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")
        file.flush()
        os.fsync(file.fileno())
    free = shutil.disk_usage(Path.cwd()).free // 2**20
    return f"fsync works; {free} MiB are free here"


CHECKS: Final[dict[str, Callable[[], str]]] = {
    "python": _python,
    "native core": _core,
    "loopback": _loopback,
    "signals": _signals,
    "disk": _durable,
}


def _docker(name: str) -> Callable[[], str]:
    """A line about the Docker environment, whose library is loaded only when it is asked for."""

    def check() -> str:
        from systems_under_test.environments.docker import survey

        said: str = getattr(survey, name)()
        return said

    return check


OPTIONAL: Final[dict[str, Callable[[], str]]] = {
    "docker": _docker("engine"),
    "docker image": _docker("base_image"),
    "docker partitions": _docker("partitions"),
    "docker links": _docker("links"),
    "docker power losses": _docker("power"),
    "docker slow disks": _docker("slow_disks"),
    "docker full disks": _docker("full_disks"),
    "docker clocks of foreign systems": _docker("foreign_clocks"),
}

"""The command that repeats a test."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from lineal.definition import OWN, hyphenated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lineal.definition import Test


def command_of(test: Test) -> str | None:
    """The command line that repeats this test; None for an inline one."""
    if test.definition is None:
        return None
    if test.definition == OWN:
        return shlex.join(own_command(test))
    words = ["lineal", "run", str(test.parameters["system"])]
    faults = test.faults if isinstance(test.faults, str) else test.faults.name
    flags: list[tuple[str, object]] = [
        ("--workload", test.workload),
        ("--nemesis", faults),
        ("--environment", test.environment),
        ("--nodes", ",".join(test.addresses or test.nodes)),
        ("--concurrency", test.concurrency),
        ("--rate", f"{test.rate:g}"),
        ("--time-limit", f"{test.time_limit_s:g}"),
        ("--seed", test.seed),
    ]
    if test.live_check:
        words.append("--live-check")
    if test.bug:
        flags.append(("--bug", test.bug))
    flags += [
        ("--option", f"{hyphenated(name)}={value}") for name, value in sorted(test.options.items())
    ]
    flags += [
        ("--nemesis-option", f"{hyphenated(name)}={value}")
        for name, value in sorted(test.fault_options.items())
    ]
    flags += [
        ("--environment-option", f"{hyphenated(name)}={value}")
        for name, value in sorted(test.environment_options.items())
    ]
    for flag, value in flags:
        words += [flag, str(value)]
    return shlex.join(words)


FLAGS: Mapping[str, str] = {
    "workload": "--workload",
    "faults": "--nemesis",
    "environment": "--environment",
    "concurrency": "--concurrency",
    "rate": "--rate",
    "time_limit_s": "--time-limit",
    "bug": "--bug",
}


def own_command(test: Test) -> list[str]:
    """The words that repeat a user's own test."""
    about = test.parameters
    words = ["lineal", "run", about["path"], "--seed", str(about["seed"])]
    for name, value in sorted(about["arguments"].items()):
        words += ["--option", f"{name}={value}"]
    for name, value in sorted(about["given"].items()):
        if name in FLAGS:
            words += [FLAGS[name], str(value)]
        elif name == "nodes":
            words += ["--nodes", ",".join(value)]
        elif name == "live_check":
            words.append("--live-check")
    return words

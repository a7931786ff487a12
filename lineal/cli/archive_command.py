"""`lineal backup`, `restore`, `scrub`: what a Paxos store's operator does about its archive.

Each speaks to one running node, by the address at which it serves clients.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lineal.cli import exit_status, values
from lineal.cli.admin_command import address, answered, await_that, call, get
from lineal.registry import UsageProblem
from systems_under_test.host.storage import CommitFailed, open_engine
from systems_under_test.paxos.founding import founding
from workloads.client import Request

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES: Final = """\
examples:
  lineal backup 127.0.0.1:8001                          archive all that is chosen by now
  lineal restore 127.0.0.1:8001 2026-11-29T10:15:00Z    the keys as they were then, as JSON
  lineal restore 127.0.0.1:8001 1767225600000 --output then.json
  lineal restore 127.0.0.1:8001 1767225600000 --into new --nodes n1,n2,n3
                                                        data directories new/n1, new/n2, new/n3, on
                                                        which a new group can be started
  lineal scrub 127.0.0.1:8001                           compare replicas and archive; the leader's

exit status: 0 done and nothing found, 1 the scrubber found a difference or damage, 3 no answer or
  not done in time, 64 refused
"""

SENTENCES: Final = {
    "backup": "bring what is chosen by now into the archive",
    "restore": "show the state as it was at a moment, from the archive",
    "scrub": "compare the replicas with each other and with the archive",
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    runs: dict[str, Callable[[argparse.Namespace], int]] = {
        "backup": backup, "restore": restore, "scrub": scrub,
    }  # fmt: skip
    for name, sentence in SENTENCES.items():
        parser = commands.add_parser(
            name,
            help=f"{sentence} (paxos)",
            description=f"{sentence[0].upper()}{sentence[1:]}.",
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("address", metavar="HOST:PORT", type=address, help="a node's clients")
        if name == "restore":
            parser.add_argument(
                "moment", metavar="MOMENT", type=milliseconds, help="ISO 8601, or ms since 1970"
            )
            parser.add_argument("--output", metavar="FILE", type=Path, help="write it there")
            parser.add_argument(
                "--into", metavar="DIRECTORY", type=Path, help="make data of a new group there"
            )
            parser.add_argument(
                "--nodes", metavar="NAMES", default="n1,n2,n3", help="its nodes (n1,n2,n3)"
            )
            parser.add_argument(
                "--engine", choices=("sqlite", "lmdb"), default="sqlite", help="what keeps its data"
            )
        else:
            parser.add_argument(
                "--wait",
                type=values.positive,
                default=60.0,
                metavar="S",
                help="seconds to wait until it is done (default 60)",
            )
        parser.set_defaults(command=runs[name])


def milliseconds(text: str) -> int:
    """A moment as milliseconds since 1970; without a zone it is UTC."""
    if text.isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no moment: say 2026-11-29T10:15:00Z, or milliseconds since 1970"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def backup(args: argparse.Namespace) -> int:
    """Order a backup of the leader, and wait until the archive reaches it."""
    _leads(args.address)
    if not get(args.address, "/status")["archive"]["on"]:
        raise UsageProblem(["there is no archive: start the nodes with the option archive=on"])
    answered(call(args.address, Request("POST", "/admin/backup")))
    slot = get(args.address, "/status")["last"]

    def is_there() -> bool:
        return bool(get(args.address, "/status")["archive"]["slot"] >= slot)

    return await_that(is_there, args.wait, f"the archive holds the log up to slot {slot}")


def restore(args: argparse.Namespace) -> int:
    """Print the state as it was, write it to a file, or make the data of a new group of it."""
    request = Request("POST", f"/admin/restore?to={args.moment}")
    content = answered(call(args.address, request))
    if args.into is not None:
        _found(args.into, tuple(args.nodes.split(",")), args.engine, content)
        return exit_status.VALID
    text = _shown(content)
    if args.output is None:
        print(text)
        return exit_status.VALID
    try:
        args.output.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise UsageProblem([f"{args.output} cannot be written: {error.strerror}"]) from error
    return exit_status.VALID


def _found(into: Path, nodes: tuple[str, ...], engine: str, content: Any) -> None:
    """Make the data directories of a new group that begins with a restored state."""
    taken = [str(into / node) for node in nodes if (into / node).exists()]
    if taken:
        raise UsageProblem([f"{', '.join(taken)} exists: a new group begins with new directories"])
    slot, time, keys = content["slot"], content["time"] * 1_000_000, content["keys"]
    try:
        disks = founding(nodes, slot, time, keys)
        for node, changes in disks.items():
            with closing(open_engine(engine, into / node)) as storage:
                storage.stage(changes)
                storage.commit()
    except (ValueError, OSError, CommitFailed) as error:
        raise UsageProblem([str(error)]) from error
    print(f"{len(keys)} keys as of slot {slot}: start {', '.join(nodes)}, all of them new, with")
    for node in nodes:
        print(f"  --node {node} --nodes {','.join(nodes)} --directory {into / node}")


def scrub(args: argparse.Namespace) -> int:
    """Order a comparison of the leader, wait for its report and print it."""
    _leads(args.address)
    before = get(args.address, "/status")["scrub"]
    answered(call(args.address, Request("POST", "/admin/scrub")))

    def is_told() -> bool:
        return bool(get(args.address, "/status")["scrub"] != before)

    done = await_that(is_told, args.wait, "the replicas have been compared")
    if done != exit_status.VALID:
        return done
    report = get(args.address, "/status")["scrub"]
    print(_shown(report))
    sound = not report["damage"] and not report["differences"] and not report["silent"]
    return exit_status.VALID if sound and report["archive"] in SOUND else exit_status.INVALID


SOUND: Final = ("compared", "off")
"""What a report says of an archive with which nothing is wrong."""


def _leads(where: tuple[str, int]) -> None:
    """Refuse a node that does not lead: how its order went is seen at the leader alone."""
    status = get(where, "/status")
    if "archive" not in status:
        raise UsageProblem(["this is no node of a paxos store"])
    if status["role"] != "leader":
        leader = status["leader"] or "nobody as far as it knows"
        raise UsageProblem([f"{status['node']} does not lead, {leader} does: give that address"])


def _shown(content: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()

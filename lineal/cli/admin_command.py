"""`lineal ring`, `status`, `join`, `leave`, `replace`, `abort`, `repair`: a Dynamo store's admin.

Each speaks to one running node, by the address at which it serves clients. A change of members is
ordered and waited for, through whichever node.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lineal.cli import exit_status, values
from lineal.registry import UsageProblem
from workloads.client import Failure, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.client import Reply

EXAMPLES: Final = """\
examples:
  lineal status 127.0.0.1:8001                 how the node is
  lineal ring 127.0.0.1:8001                   who keeps which part of the ring
  lineal join 127.0.0.1:8001 n6                the spare n6 becomes a member
  lineal leave 127.0.0.1:8001 n2               n2 hands over what it keeps, and goes
  lineal leave 127.0.0.1:8001 n2 --gone        n2 is given up with all that it holds
  lineal replace 127.0.0.1:8001 n2 n6          n2 is given up, and n6 comes
  lineal abort 127.0.0.1:8001                  the change under way is given up
  lineal repair 127.0.0.1:8002                 the node whose store was damaged starts over

exit status: 0 done, 3 no answer or not done in time, 64 refused
"""
CALL_S: Final = 10.0
POLL_S: Final = 0.2
CONFLICT: Final = 409

SENTENCES: Final = {
    "status": "show how a node is, as JSON",
    "ring": "show the members and who keeps each range",
    "join": "make a spare node a member",
    "leave": "let a member go",
    "replace": "give a member up and let a spare take its place",
    "abort": "give up the change of members under way",
    "repair": "let a node whose store was damaged start over from its peers",
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    for name, sentence in SENTENCES.items():
        parser = commands.add_parser(
            name,
            help=f"{sentence} (dynamo)",
            description=f"{sentence[0].upper()}{sentence[1:]}.",
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("address", metavar="HOST:PORT", type=address, help="a node's clients")
        if name in ("join", "leave", "replace"):
            parser.add_argument("node", metavar="NODE", help="its name, as n6")
        if name == "replace":
            parser.add_argument("by", metavar="BY", help="the spare that takes its place")
        if name == "leave":
            parser.add_argument("--gone", action="store_true", help="it is given up, do not wait")
        if name in ("join", "leave", "replace", "repair"):
            parser.add_argument(
                "--wait",
                type=values.positive,
                default=60.0,
                metavar="S",
                help="seconds to wait until it is done (default 60)",
            )
        parser.set_defaults(command=globals()[f"{name}_"])


def address(text: str) -> tuple[str, int]:
    """`host:port`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form host:port")
    return host, int(port)


def status_(args: argparse.Namespace) -> int:
    """Print the status."""
    content = get(args.address, "/status")
    print(msgspec.json.format(msgspec.json.encode(content), indent=2).decode())
    return exit_status.VALID


def ring_(args: argparse.Namespace) -> int:
    """Print the view and the ranges."""
    content = get(args.address, "/ring")
    _say(content["view"])
    print(f"{'end':32}  home, then stand-ins")
    for one in content["ranges"]:
        stand_ins = f"  ({' '.join(one['stand_ins'])})" if one["stand_ins"] else ""
        print(f"{one['end']}  {' '.join(one['home'])}{stand_ins}")
    return exit_status.VALID


def join_(args: argparse.Namespace) -> int:
    """Order a node to join."""
    return _change(args.address, f"/admin/join?node={args.node}", args.wait)


def leave_(args: argparse.Namespace) -> int:
    """Order a node to leave, or give it up."""
    verb = "remove" if args.gone else "leave"
    return _change(args.address, f"/admin/{verb}?node={args.node}", args.wait)


def replace_(args: argparse.Namespace) -> int:
    """Order a node to be replaced."""
    return _change(args.address, f"/admin/replace?node={args.node}&by={args.by}", args.wait)


def abort_(args: argparse.Namespace) -> int:
    """Order the change under way to be given up."""
    _say(answered(call(args.address, Request("POST", "/admin/abort"))))
    return exit_status.VALID


def repair_(args: argparse.Namespace) -> int:
    """Order a node to start over, and wait until it is whole."""
    answered(call(args.address, Request("POST", "/admin/repair")))

    def is_whole() -> bool:
        return bool(get(args.address, "/status")["store"]["state"] == "whole")

    return await_that(is_whole, args.wait, "the node has fetched all that it keeps")


def _change(where: tuple[str, int], target: str, wait_s: float) -> int:
    """Order a change, again while another is under way, and wait until nothing of it is left."""
    deadline = time.monotonic() + wait_s
    reply = call(where, Request("POST", target))
    while reply.status == CONFLICT and time.monotonic() < deadline and _is_busy(where):
        time.sleep(POLL_S)
        reply = call(where, Request("POST", target))
    _say(answered(reply))

    def is_over() -> bool:
        return not _is_busy(where)

    done = await_that(is_over, max(POLL_S, deadline - time.monotonic()), "the change is over")
    _say(get(where, "/status")["view"])
    return done


def _is_busy(where: tuple[str, int]) -> bool:
    view = get(where, "/status")["view"]
    return view["phase"] != "stable" or bool(view["leaving"])


def await_that(is_so: Callable[[], bool], wait_s: float, what: str) -> int:
    """Wait until something is so, and say it; the exit status."""
    deadline = time.monotonic() + wait_s
    while not is_so():
        if time.monotonic() > deadline:
            print(f"after {wait_s:g} s it is still not so that {what}: look at `lineal status`")
            return exit_status.FAILED
        time.sleep(POLL_S)
    print(what)
    return exit_status.VALID


def get(where: tuple[str, int], target: str) -> Any:
    """The content of a page. Raises UsageProblem, EnvironmentFailed."""
    return answered(call(where, Request("GET", target)))


def call(where: tuple[str, int], request: Request) -> Reply:
    """The reply of a node. Raises EnvironmentFailed where there is none."""
    from systems_under_test.environments.cluster import EnvironmentFailed
    from systems_under_test.environments.http_client import HttpClient

    with contextlib.closing(HttpClient(where)) as client:
        reply = client.call(request, CALL_S)
    if isinstance(reply, Failure):
        raise EnvironmentFailed(reply.reason)
    return reply


def answered(reply: Reply) -> Any:
    """The content of a reply that must be 200."""
    from systems_under_test.environments.cluster import EnvironmentFailed

    try:
        content = msgspec.json.decode(reply.body)
    except msgspec.DecodeError:
        content = {}
    if reply.status == 200:
        return content
    sentence = content.get("error", f"the node answers {reply.status}")
    if 400 <= reply.status < 500:
        raise UsageProblem([sentence])
    raise EnvironmentFailed(sentence)


def _say(view: dict[str, Any]) -> None:
    said = f"view {view['view']} ({view['phase']}): members {' '.join(view['members'])}"
    if view["coming"]:
        said += f"; to be: {' '.join(view['coming'])}"
    if view["leaving"]:
        said += f"; handing over: {' '.join(view['leaving'])}"
    print(said)

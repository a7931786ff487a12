"""What a host is told on its command line."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.host.clock import ClockSetting
from systems_under_test.host.objects import DirectoryStore
from systems_under_test.host.s3 import open_bucket

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from systems_under_test.host.objects import ObjectStore

Address = tuple[str, int]

ENGINES: Final = ("memory", "sqlite", "lmdb")

_CLOCK_HELP: Final = "run the node's clocks so, since a moment of the machine's monotonic clock"

_REDIRECT_HELP: Final = "clients reach a node there, should this one send them to it"

_EXAMPLES: Final = """\
examples:
  One node by hand, and a client in another terminal:
    python -P -m systems_under_test.host --node n1 --nodes n1 \\
        --client 127.0.0.1:8001 --directory /tmp/n1 \\
        --replica systems_under_test.atomic.replica:make_replica
    curl -i -X PUT http://127.0.0.1:8001/register/x -d 42
    curl -i http://127.0.0.1:8001/register/x

  One of three nodes; each is told where the others listen:
    python -P -m systems_under_test.host --node n1 --nodes n1,n2,n3 \\
        --client 127.0.0.1:8001 --listen 127.0.0.1:9001 \\
        --peer n2=127.0.0.1:9002 --peer n3=127.0.0.1:9003 \\
        --directory /tmp/n1 --replica systems_under_test.dynamo.replica:make_replica

exit status: 0 told to end, 64 wrong usage, 65 the storage is damaged, 69 a port is in use,
  70 the replica raised, 73 the directory cannot be used or another process uses it,
  74 a commit or a read failed.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class HostOptions:
    """One node: who it is, where it listens, what it runs."""

    node: str
    nodes: tuple[str, ...]
    replica: str
    """`module:function`, called as `make(place, options, bug)`."""
    options: Mapping[str, Any]
    bug: str | None
    client: Address
    """Where it listens for clients."""
    listen: Address
    """Where it listens for other nodes."""
    peers: Mapping[str, Address]
    """Where this node reaches each other one."""
    clients: Mapping[str, str]
    """Where clients reach the others, as far as it matters to this node."""
    engine: str
    directory: Path
    seed: int
    clock: ClockSetting
    """How its clocks run at first."""
    lives: int
    """How often the node was started before, as far as whoever starts it knows: what its directory
    says may have been lost with its disk."""
    objects: ObjectStore | None
    """The object store that the nodes share; without one there is none."""
    disk: Path | None
    """The file by which its disk is spoilt, see `host.disk`; without one it never is."""
    control: bool
    """Commands on standard input, answers on standard output; wait for `go` first."""
    reuse_port: bool
    """The ports are held for this node by whoever started it."""


def parse_options(arguments: Sequence[str]) -> HostOptions:
    """Read the command line. Wrong usage: all problems on standard error, SystemExit(64)."""
    parser = _parser()
    given = parser.parse_args(arguments)
    problems: list[str] = []
    nodes = tuple(given.nodes.split(","))
    peers = _pairs(given.peer, "--peer", problems)
    options = _options(given, problems)
    addresses = {name: _address(text, f"--peer {name}", problems) for name, text in peers.items()}
    clients = _pairs(given.redirect, "--redirect", problems)
    for name, text in clients.items():
        _address(text, f"--redirect {name}", problems)
    client = _address(given.client, "--client", problems)
    listen = _address(given.listen, "--listen", problems)
    objects = _objects(given.objects, problems)
    clock = _clock(given.clock, problems)
    if given.node not in nodes:
        problems.append(f"--node {given.node} is not among --nodes {given.nodes}")
    if len(set(nodes)) < len(nodes) or "" in nodes:
        problems.append(f"--nodes {given.nodes}: each name once, none empty")
    expected = sorted(set(nodes) - {given.node})
    if sorted(peers) != expected:
        problems.append(
            f"--peer must be given once for each of {', '.join(expected) or 'no other node'}; "
            f"given: {', '.join(sorted(peers)) or 'none'}"
        )
    if problems:
        parser.error("\n  ".join(problems))
    return HostOptions(
        node=given.node,
        nodes=nodes,
        replica=given.replica,
        options=options,
        bug=given.bug,
        client=client,
        listen=listen,
        peers=addresses,
        clients=clients,
        engine=given.engine,
        directory=given.directory,
        seed=given.seed,
        clock=clock,
        lives=given.lives,
        objects=objects,
        disk=given.disk,
        control=given.control,
        reuse_port=given.reuse_port,
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        self.exit(64, f"{self.format_usage()}{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -P -m systems_under_test.host",
        description="Run one node of a bundled system: HTTP for clients, links to other nodes.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--node", required=True, metavar="NAME", help="this node's name")
    add("--nodes", required=True, metavar="A,B,C", help="every node of the cluster, in order")
    add("--replica", required=True, metavar="MODULE:FUNCTION", help="makes the replica")
    add("--option", action="append", default=[], metavar="KEY=VALUE", help="JSON, or else text")
    add("--options", default="{}", metavar="JSON", help="the same as one object")
    add("--bug", metavar="NAME", help="break the system on purpose")
    add("--client", default="127.0.0.1:0", metavar="HOST:PORT", help="listen for clients here")
    add("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="listen for nodes here")
    add("--peer", action="append", default=[], metavar="NAME=HOST:PORT", help="reach a node there")
    add("--redirect", action="append", default=[], metavar="NAME=HOST:PORT", help=_REDIRECT_HELP)
    add("--engine", choices=ENGINES, default="sqlite", help="where state is kept (%(default)s)")
    add("--directory", required=True, type=Path, help="the node's files")
    add("--seed", type=int, default=0, help="of the node's random choices (%(default)s)")
    add("--clock", default="0,0,0", metavar="SINCE_NS,WALL_OFFSET_NS,RATE_PPM", help=_CLOCK_HELP)
    add("--lives", type=int, default=0, metavar="N", help="it was started so often before")
    add("--objects", metavar="DIRECTORY|s3://BUCKET/PREFIX", help="the nodes' object store")
    add("--disk", type=Path, metavar="FILE", help="how the node's disk behaves, and its counts")
    add("--control", action="store_true", help="commands on standard input; wait for 'go' first")
    add("--reuse-port", action="store_true", help="the ports are held by whoever starts the node")
    return parser


def _objects(place: str | None, problems: list[str]) -> ObjectStore | None:
    if place is None:
        return None
    try:
        return open_bucket(place) if "://" in place else DirectoryStore(Path(place))
    except ValueError as error:
        problems.append(f"--objects {error}")
        return None


def _options(given: argparse.Namespace, problems: list[str]) -> dict[str, Any]:
    try:
        options = json.loads(given.options)
    except ValueError as error:
        problems.append(f"--options is not JSON: {error}")
        return {}
    if not isinstance(options, dict):
        problems.append("--options is not a JSON object")
        return {}
    for key, text in _pairs(given.option, "--option", problems).items():
        try:
            options[key] = json.loads(text)
        except ValueError:
            options[key] = text
    return options


def _pairs(texts: Sequence[str], flag: str, problems: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            problems.append(f"{flag} {text}: it has the form NAME=VALUE")
        elif name in pairs:
            problems.append(f"{flag} {name} is given twice")
        pairs[name] = value
    return pairs


def _address(text: str, flag: str, problems: list[str]) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        problems.append(f"{flag} {text}: it has the form HOST:PORT")
        return "", 0
    return host, int(port)


def _clock(text: str, problems: list[str]) -> ClockSetting:
    try:
        since_ns, wall_offset_ns, rate_ppm = map(int, text.split(","))
    except ValueError:
        problems.append(f"--clock {text}: it has the form SINCE_NS,WALL_OFFSET_NS,RATE_PPM")
        return ClockSetting()
    return ClockSetting(since_ns=since_ns, wall_offset_ns=wall_offset_ns, rate_ppm=rate_ppm)

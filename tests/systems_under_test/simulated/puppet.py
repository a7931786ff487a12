"""A replica that does what it is told, and a cluster of such, so that tests read as scripts.

A script is a list of steps, each a list: ["write", key, text], ["write_later", key, text],
["append", file, text], ["append_later", file, text], ["send", node, body], ["respond", text],
["stored", key] and ["records", file] (respond with what is stored), ["timer", name, ns, script],
["cancel", name], ["note", word], ["leave"], ["raise", text], and what the port forbids:
["reply", any], ["put", any], ["nonsense"].

A script comes as the body of a client's request, in a message as {"do": script}, as the payload of
a timer, or as the option `on_stop`, without which it does not hear of its end. Every input is noted
in the log, before the script is carried out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from systems_under_test.environments.cluster import ClusterSpec
from systems_under_test.environments.simulated.cluster import SimulatedCluster
from systems_under_test.environments.simulated.options import SimulationOptions
from systems_under_test.replica import (
    Append,
    AppendLater,
    CancelTimer,
    ClientRequest,
    Diagnostic,
    Effect,
    Leave,
    PeerMessage,
    Place,
    Respond,
    Send,
    SetTimer,
    Started,
    Stopping,
    TimerFired,
    Write,
    WriteLater,
)
from workloads.client import Failure, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from systems_under_test.replica import Input, Turn

SECOND = 1_000_000_000
MS = 1_000_000
Step = list[Any]


class Puppet:
    """Does what a script says."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.on_start = options.get("on_start", [])
        self.on_stop = options.get("on_stop", [])
        self.hears_stopping = bool(self.on_stop)

    def handle(self, event: Input, turn: Turn) -> Sequence[Effect]:
        match event:
            case Started(incarnation):
                script, note = self.on_start, Diagnostic("started", {"as": incarnation})
            case ClientRequest(id=id, body=body):
                script, note = msgspec.json.decode(body), Diagnostic("asked", {"id": id})
            case PeerMessage(sender, incarnation, body):
                script = body.get("do", [])
                note = Diagnostic("heard", {"who": f"{sender}/{incarnation}", **body})
            case TimerFired(name, payload):
                script, note = payload or [], Diagnostic("fired", {"name": name})
            case Stopping():
                script, note = self.on_stop, Diagnostic("stopping")
        request = event.id if isinstance(event, ClientRequest) else 0
        return [note, *(self.effect(step, request, turn) for step in script)]

    def effect(self, step: Step, request: int, turn: Turn) -> Effect:
        match step:
            case ["write", key, text]:
                return Write("t", key.encode(), text.encode())
            case ["write_later", key, text]:
                return WriteLater("t", key.encode(), text.encode())
            case ["append", file, text]:
                return Append(file, text.encode())
            case ["append_later", file, text]:
                return AppendLater(file, text.encode())
            case ["send", node, body]:
                return Send(node, body)
            case ["respond", text]:
                return Respond(request, 200, {}, text.encode())
            case ["stored", key]:
                stored = turn.storage.get("t", key.encode())
                return Respond(request, 200 if stored is not None else 404, {}, stored or b"")
            case ["records", file]:
                return Respond(request, 200, {}, b" ".join(turn.storage.records(file)))
            case ["timer", name, delay, script]:
                return SetTimer(name, delay, script)
            case ["cancel", name]:
                return CancelTimer(name)
            case ["leave"]:
                return Leave()
            case ["note", word]:
                return Diagnostic(word)
            case ["reply", anything]:
                return Respond(request, 200, {}, anything)
            case ["put", anything]:
                return Write("t", b"k", anything)
            case ["raise", text]:
                raise RuntimeError(text)
        return "nonsense"  # type: ignore[return-value]


def make(place: Place, options: Mapping[str, Any], bug: str | None) -> Puppet:
    return Puppet(options)


class World(SimulatedCluster):
    """A cluster of puppets that is up."""

    def __init__(
        self,
        nodes: int = 1,
        *,
        seed: int = 1,
        engine: Any = "sqlite",
        on_start: Sequence[Step] = (),
        on_stop: Sequence[Step] = (),
        options: SimulationOptions = SimulationOptions(),  # noqa: B008
    ) -> None:
        spec = ClusterSpec(
            nodes=tuple(f"n{i}" for i in range(1, nodes + 1)),
            replica_path=f"{__name__}:make",
            options={"on_start": list(on_start), "on_stop": list(on_stop)},
            bug=None,
            engine=engine,
            seed=seed,
        )
        super().__init__(spec, options)
        self.up()
        self.run_until(20 * MS)

    def tell(self, node: str, *script: Step) -> list[Reply | Failure]:
        """Submit a script now; the list is filled with the reply once it comes."""
        replies: list[Reply | Failure] = []
        request = Request("POST", "/", {}, msgspec.json.encode(script))
        self.submit(node, request, self.now + SECOND, replies.append)
        return replies

    def ask(self, node: str, *script: Step) -> str:
        """What is answered to a script: the text of a reply, or why there was none."""
        replies = self.tell(node, *script)
        while not replies:
            assert self.step()
        (reply,) = replies
        if isinstance(reply, Failure):
            return reply.reason
        return reply.body.decode() if reply.status == 200 else f"status {reply.status}"

    def settle(self, ns: int = 100 * MS) -> None:
        self.run_until(self.now + ns)

    def said(self, node: str) -> list[str]:
        """The log without stamps and lives: `started as=1`, `asked id=1`."""
        return [line.split(" ", 3)[3] for line in self.log(node)]

    def heard(self, node: str) -> list[str]:
        return [event for event in self.said(node) if event.startswith("heard")]

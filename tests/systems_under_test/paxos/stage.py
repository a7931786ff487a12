"""A stage for scenarios: replicas whose messages are delivered by hand, and what they do, as text.

A scenario is a text in the one small language (`checker.history.language`). What stands at the
margin is done; what is indented is what came of it, and `play` writes that part anew: a scenario
holds if playing it changes nothing. docs/systems/paxos.md lists the words.

No time passes and no message arrives unless the scenario says so. Every input is durable at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from checker.history.language import is_word, statement_of
from systems_under_test.environments.simulated.disk import Disk
from systems_under_test.environments.simulated.options import SimulationOptions
from systems_under_test.paxos.configuration import MS, OPTIONS
from systems_under_test.paxos.messages import unseal
from systems_under_test.paxos.replica import PaxosReplica, make_replica
from systems_under_test.replica import (
    Append,
    CancelTimer,
    Diagnostic,
    Leave,
    Now,
    PeerMessage,
    Place,
    Respond,
    Send,
    SetTimer,
    Started,
    Stopping,
    TimerFired,
    Turn,
    Write,
    WriteLater,
)
from systems_under_test.rng import Rng
from tests.systems_under_test.paxos.scripting import asked_of, kind_of, outcome_of, told

if TYPE_CHECKING:
    from checker.history.language import Part, Statement
    from systems_under_test.paxos.messages import AnyMessage
    from systems_under_test.replica import Effect, Input

INDENT: Final = "    "
MESSAGES_MAX: Final = 10_000
"""A story that makes more of them at once never comes to an end."""
UNTOLD: Final = ("started", "applied")
SETTLE_BY: Final = 10 * MS


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way, to one life of its receiver."""

    sender: str
    incarnation: int
    to: str
    life: int
    configuration: int
    message: AnyMessage
    body: Any


@dataclass
class Actor:
    """A node: its clock, its disk, and the life that it lives, if any."""

    place: Place
    disk: Disk
    rng: Rng
    mono: int = 0
    life: int = 0
    replica: PaxosReplica | None = None
    timers: dict[str, tuple[int, Any]] = field(default_factory=dict)


def empty_disk(name: str) -> Disk:
    """What a node has at first, or again."""
    return Disk(SimulationOptions(), Rng(f"{name} disk"))


class Stage:
    """The nodes of a story, and the letters between them."""

    def __init__(self, cast: Part) -> None:
        given = dict(cast.attributes)
        names = tuple(f"n{i + 1}" for i in range(given.pop("nodes", 3)))
        self._bug = given.pop("bug", None)
        self._options = {name.replace("-", "_"): value for name, value in given.items()}
        assert self._options.keys() <= OPTIONS.keys(), f"no such option: {given}"
        self._actors = {
            name: Actor(Place(name, names), empty_disk(name), Rng(name)) for name in names
        }
        self._wall = 0
        self._letters: list[Letter] = []
        self._cut: set[tuple[str, str]] = set()
        self._calls: dict[tuple[str, int], tuple[str, str]] = {}
        self._requests = 0
        self._quiet = False
        self.lines: list[str] = []
        for name in names:
            self._start(name)

    # --- what a statement does ---

    def do(self, statement: Statement) -> None:
        """Carry out a line of the story."""
        who, asked = statement.who, statement.asked
        assert asked is not None, f"line {statement.line}: nothing is done here"
        if who == "time":
            self._pass(list(self._actors), asked.value * MS)
        elif who == "net":
            self._net(asked)
        elif who in self._actors:
            self._node(who, asked)
        else:
            self._client(who, asked)

    def _net(self, asked: Part) -> None:
        match asked.word:
            case "delivers":
                self._deliver_all()
            case "settles":
                self._settle((asked.value or 0) * MS)
            case "cuts":
                self._cut |= self._links(str(asked.key), asked.attributes.get("to"))
            case "heals":
                self._cut.clear()
            case "loses":
                self._letters.clear()
            case _:
                raise ValueError(f"net does not know {asked.word}")

    def _links(self, name: str, to: str | None) -> set[tuple[str, str]]:
        """One link, or without `to` all links from and to a node."""
        if to is not None:
            return {(name, to)}
        others = [other for other in self._actors if other != name]
        return {(name, other) for other in others} | {(other, name) for other in others}

    def _node(self, name: str, asked: Part) -> None:
        match asked.word:
            case "hears":
                self._hear(name, asked)
            case "misses":
                missed = self._waiting(name, asked)
                self._letters = [letter for letter in self._letters if letter not in missed]
            case "passes":
                self._pass([name], asked.value * MS)
            case "wakes":
                self._wake(name, str(asked.key))
            case "crashes":
                self._actors[name].replica = None
                self._actors[name].timers.clear()
            case "ends":
                self._handle(name, Stopping())
            case "loses":
                assert (asked.key, self._actors[name].replica) == ("disk", None), (
                    "a dead one's disk"
                )
                self._actors[name].disk = empty_disk(name)
            case "starts":
                self._start(name)
            case "shows":
                self._show(name)
            case _:
                raise ValueError(f"a node does not know {asked.word}")

    def _client(self, client: str, asked: Part) -> None:
        node = asked.attributes.get("at", "n1")
        self._requests += 1
        self._calls[node, self._requests] = client, str(asked.word)
        self._handle(node, asked_of(asked, self._requests))

    # --- letters ---

    def _waiting(self, name: str, asked: Part) -> list[Letter]:
        """The letters to a node that are meant: from one sender or everyone, of one kind or any."""
        only = asked.attributes.get("only")
        found = [
            letter
            for letter in self._letters
            if letter.to == name
            and asked.key in (letter.sender, "everyone")
            and only in (None, kind_of(letter.message))
        ]
        assert found, f"nothing of that kind waits for {name}: {asked}"
        return found[:1] if only is not None and asked.key != "everyone" else found

    def _hear(self, name: str, asked: Part) -> None:
        for letter in self._waiting(name, asked):
            if not asked.attributes.get("again"):
                self._letters.remove(letter)
            self._receive(letter)

    def _deliver_all(self) -> None:
        for _ in range(MESSAGES_MAX):
            if not self._letters:
                return
            self._receive(self._letters.pop(0))
        raise AssertionError("the replicas talk without end")

    def _receive(self, letter: Letter) -> None:
        actor = self._actors[letter.to]
        if actor.replica is None or actor.life != letter.life:
            return
        kind, fields = told(letter.configuration, letter.message)
        self._say(letter.to, "hears", f"{kind} from={letter.sender}", fields)
        self._handle(letter.to, PeerMessage(letter.sender, letter.incarnation, letter.body))

    # --- time ---

    def _pass(self, names: list[str], duration: int) -> None:
        """Let the clocks of these nodes go on; no timer goes off, be it due or not."""
        for name in names:
            self._actors[name].mono += duration
        self._wall += duration

    def _wake(self, name: str, timer: str) -> None:
        """Let a timer go off; the clock stands at least where the timer is due."""
        actor = self._actors[name]
        due, payload = actor.timers.pop(timer)
        self._pass([name], max(0, due - actor.mono))
        self._handle(name, TimerFired(timer, payload))

    def _settle(self, duration: int) -> None:
        """Deliver everything, and let time pass and every timer go off that is due."""
        self._quiet = True
        self._deliver_all()
        for _ in range(duration // SETTLE_BY):
            self._pass(list(self._actors), SETTLE_BY)
            for name, actor in self._actors.items():
                for timer in [t for t, (due, _) in actor.timers.items() if due <= actor.mono]:
                    self._wake(name, timer)
                    self._deliver_all()
        self._quiet = False

    # --- a replica at work ---

    def _start(self, name: str) -> None:
        actor = self._actors[name]
        assert actor.replica is None, f"{name} runs"
        actor.life += 1
        actor.replica = make_replica(actor.place, self._options, self._bug)
        self._handle(name, Started(actor.life))

    def _handle(self, name: str, event: Input) -> None:
        actor = self._actors[name]
        assert actor.replica is not None, f"{name} does not run"
        now = Now(wall=self._wall, mono=actor.mono)
        for effect in actor.replica.handle(event, Turn(now, actor.rng, actor.disk)):
            self._perform(name, actor, effect)

    def _perform(self, name: str, actor: Actor, effect: Effect) -> None:
        match effect:
            case Send(to, body):
                self._send(name, actor, to, body)
            case SetTimer(timer, delay, payload):
                actor.timers[timer] = actor.mono + delay, payload
            case CancelTimer(timer):
                actor.timers.pop(timer, None)
            case Respond(request, status, _, body):
                client, verb = self._calls.pop((name, request))
                self.lines.append(f"{client}: -> {outcome_of(verb, status, body)}")
            case Diagnostic(event, fields):
                if event not in UNTOLD:
                    self._say(name, "notes", event, always=True, **fields)
            case Leave():
                self._say(name, "leaves", "in-order", always=True)
                actor.replica = None
                actor.timers.clear()
            case Write() | WriteLater() | Append():
                actor.disk.apply([effect])
                if isinstance(effect, Write):
                    self._stored(name, effect)
            case _:
                raise AssertionError(f"the stage cannot perform {effect}")

    def _stored(self, name: str, write: Write) -> None:
        if write.table == "log":
            self._say(name, "stores", "log", slot=int.from_bytes(write.key, "big"))
        else:
            self._say(name, "stores", write.table)

    def _send(self, name: str, actor: Actor, to: str, body: Any) -> None:
        configuration, message = unseal(body)
        if (name, to) in self._cut:
            return
        kind, fields = told(configuration, message)
        self._say(name, "sends", f"{kind} to={to}", fields)
        life = self._actors[to].life
        letter = Letter(name, actor.life, to, life, configuration, message, body)
        self._letters.append(letter)

    def _show(self, name: str) -> None:
        replica = self._actors[name].replica
        node = replica.node if replica is not None else None
        if node is None:
            self._say(name, "shows", "dead")
            return
        leads = node.leadership is not None
        self._say(
            name,
            "shows",
            "leader" if leads else "follower",
            promised=f"{node.acceptor.promised.node or 'none'}.{node.acceptor.promised.round}",
            chosen=node.learner.chosen,
            applied=node.learner.applied,
            last=node.log.last,
            start=node.log.start,
            replica=node.acceptor.replica,
            members=[member.node for member in node.groups.newest.members],
        )

    def _say(
        self, who: str, what: str, key: str, more: str = "", *, always: bool = False, **fields: Any
    ) -> None:
        if self._quiet and not always:
            return
        shown = " ".join(f"{name}={_shown(value)}" for name, value in fields.items())
        self.lines.append(" ".join(part for part in (f"{who}: {what} {key}", shown, more) if part))


def _shown(value: Any) -> str:
    if isinstance(value, str) and is_word(value):
        return value
    return msgspec.json.encode(value).decode()


def play(text: str) -> str:
    """The scenario with what comes of it now. The first statement is `story: cast ...`."""
    stage: Stage | None = None
    result: list[str] = []
    for number, line in enumerate(text.rstrip("\n").split("\n"), start=1):
        if line.startswith(INDENT):
            continue
        result.append(line)
        statement = statement_of(line, number)
        if statement is None:
            continue
        if stage is None:
            assert statement.asked is not None
            assert (statement.who, statement.asked.word) == ("story", "cast")
            stage = Stage(statement.asked)
        else:
            stage.do(statement)
        for said in stage.lines:
            assert statement_of(said, number) is not None, said
            result.append(INDENT + said)
        stage.lines.clear()
    return "\n".join(result) + "\n"

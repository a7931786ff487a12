"""A replica, or a part of one, alone: inputs and effects by hand, dictionaries to store in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from systems_under_test.dynamo.envelope import seal, unseal
from systems_under_test.dynamo.messages import Introduce, Introduced
from systems_under_test.dynamo.replica import make_replica
from systems_under_test.dynamo.step import Step
from systems_under_test.replica import (
    ClientRequest,
    Diagnostic,
    Now,
    PeerMessage,
    Place,
    Respond,
    Send,
    SetTimer,
    Started,
    TimerFired,
    Turn,
    Write,
    WriteLater,
)
from systems_under_test.rng import Rng

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from systems_under_test.dynamo.messages import AnyMessage, Mark
    from systems_under_test.replica import Effect, Input

MILLISECOND = 1_000_000


class Tables:
    """Storage in dictionaries; what was written with `write_later` is known."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[bytes, bytes]] = {}

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value under a key."""
        return self.tables.get(table, {}).get(key)

    def scan(
        self,
        table: str,
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        size_max: int | None = None,
    ) -> Iterator[tuple[bytes, bytes]]:
        """The entries with start <= key < stop."""
        assert size_max is None
        rows = sorted(self.tables.get(table, {}).items())
        return ((k, v) for k, v in rows if start <= k and (stop is None or k < stop))

    def records(self, file: str) -> Iterator[bytes]:
        """No files here."""
        return iter(())

    def apply(self, effects: Sequence[Effect]) -> None:
        """Carry out the writes among the effects."""
        for effect in effects:
            if isinstance(effect, Write | WriteLater):
                rows = self.tables.setdefault(effect.table, {})
                if effect.value is None:
                    rows.pop(effect.key, None)
                else:
                    rows[effect.key] = effect.value


def step_on(tables: Tables, mono: int = 0) -> Step:
    """A step of no replica in particular."""
    return Step(Turn(Now(0, mono), Rng("step"), tables))


class Alone:
    """One replica; the test is its host, and every other node."""

    def __init__(
        self,
        node: str = "n1",
        options: Mapping[str, Any] | None = None,
        *,
        bug: str | None = None,
        nodes: tuple[str, ...] = ("n1", "n2", "n3", "n4", "n5"),
        tables: Tables | None = None,
        incarnation: int = 1,
        introduced: bool = True,
    ) -> None:
        self.tables = tables or Tables()
        self.mono = 0
        self.replica = make_replica(Place(node, nodes), options or {}, bug)
        self._requests = 0
        self.first = list(self.handle(Started(incarnation)))
        for peer, message in sent(self.first):
            if isinstance(message, Introduce) and introduced:
                self.first += self.message(peer, known(message.mark))

    def handle(self, event: Input) -> Sequence[Effect]:
        """Hand over an input and carry out the writes of its effects."""
        turn = Turn(Now(0, self.mono), Rng(f"turn/{self.mono}"), self.tables)
        effects = self.replica.handle(event, turn)
        self.tables.apply(effects)
        return effects

    def request(
        self, method: str, target: str, body: bytes = b"", **headers: str
    ) -> Sequence[Effect]:
        """A client's request; header names with underscores for dashes."""
        self._requests += 1
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.handle(ClientRequest(self._requests, method, target, named, body))

    def message(self, sender: str, message: AnyMessage, incarnation: int = 1) -> Sequence[Effect]:
        """A message of another node."""
        return self.handle(PeerMessage(sender, incarnation, seal(message, life=incarnation)))

    def fire(self, timer: str, after_ms: int = 0) -> Sequence[Effect]:
        """A timer fires so many milliseconds later."""
        self.mono += after_ms * MILLISECOND
        return self.handle(TimerFired(timer))


def known(mark: Mark, by: Mark | None = None, *, established: bool = True) -> Introduced:
    """The answer of a node that knows a store by this mark, or `by` another."""
    return Introduced(mark, by or mark, 0, established, ())


def sent(effects: Sequence[Effect]) -> list[tuple[str, AnyMessage]]:
    """(receiver, message) of every message among the effects."""
    return [(e.to, unseal(e.body)[0]) for e in effects if isinstance(e, Send)]


def responses(effects: Sequence[Effect]) -> list[Respond]:
    """The replies to clients."""
    return [e for e in effects if isinstance(e, Respond)]


def writes(effects: Sequence[Effect]) -> list[Write | WriteLater]:
    """The writes, durable or not."""
    return [e for e in effects if isinstance(e, Write | WriteLater)]


def timers(effects: Sequence[Effect]) -> list[str]:
    """The names of the timers that were set."""
    return [e.name for e in effects if isinstance(e, SetTimer)]


def logged(effects: Sequence[Effect]) -> list[str]:
    """The events of the log lines."""
    return [e.event for e in effects if isinstance(e, Diagnostic)]

"""A history judged while it goes on: the walk of the search, fed event by event.

What an operation was answered is known when it is over, so an operation can be looked at once every
one that was called before it is over too: `Stream` keeps what is younger than the oldest call that
is open, and hands the rest to the search in the order of time. It forgets what it has handed on;
what grows is only the number of different crashed operations, which may still happen.

Rules and replay need a whole history; here only the walk is used, without the prunings that look
ahead. It answers what the whole check would, or gives up.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final, Literal

from checker._core import SearchStream
from checker.history.layout import NEVER
from checker.history.values import int32, int64
from checker.linearizability.automaton import Automaton, WrongDeclaration
from checker.linearizability.problem import comparable
from checker.linearizability.search import budget_of
from checker.linearizability.states import ModelFailed
from checker.models.model import Action, Unfit, text
from checker.verdict import Budget

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from checker._core import SearchBudget
    from checker.history.events import Event
    from checker.models.model import Specification

PRUNINGS: Final = frozenset(
    {
        *("reads", "multisets", "dominance", "deadlines", "enablement", "substitution"),
        *("absorption", "detours"),
    }
)
"""Those of `search.PRUNINGS` that need nothing of what is still to come."""

STEPS_MAX: Final = 1_000_000
"""A piece of one object that takes more steps is given up."""
MEMORY_MB: Final = 512
FEED_S: Final = 0.5
"""An event that takes longer to judge is given up: the driving waits for it."""
FINISH_S: Final = 5
ACTIONS_MAX: Final = 4_096
"""When more actions were met, those that are over are forgotten."""

BEGINNING: Final = -(2**63)

_CALL, _CRASH, _RETURN = range(3)

State = Literal["possible", "illegal", "given up"]


@dataclass(slots=True)
class _Asked:
    """An operation: what it asked, and when it is over what it did; `ret` NEVER if it crashed."""

    event: Event
    process: int
    what: Action | None = None
    ret: int = NEVER


_Step = tuple[int, int, int, int, int]
"""Stamp, calls before returns, then in the order of invocation: stamp and index; what happens."""


class Stream:
    """The histories of a model's objects, as they happen.

    `state` is "illegal" as soon as no order explains what is over; `culprit` is then the index of
    the operation that fits into none. It is "given up", for the reason in `cause`, where it cannot
    say. Only operations of these names count, all if there are none. Give it every event in the
    order in which it was recorded. A piece of one object may take `steps`, what one event makes
    ripe `seconds`.
    """

    def __init__(
        self,
        model: Specification,
        *,
        names: frozenset[str] | None = None,
        prune: Iterable[str] = PRUNINGS,
        steps: int = STEPS_MAX,
        seconds: float = FEED_S,
    ) -> None:
        self.state: State = "possible"
        self.cause: str | None = None
        self.culprit: int | None = None
        self._model: Final[Any] = model
        self._keyless: Final = getattr(model, "keyless", False)
        self._names: Final = names
        self._prune: Final = sorted(PRUNINGS.intersection(prune) | {"multisets"})
        self._steps: Final = steps
        self._seconds: Final = seconds
        self._budget = _budget(seconds)
        self.automaton = Automaton(model)
        self._asks_pure: Final = not self.automaton.comes_with_lineal
        self._actions_max = ACTIONS_MAX
        self._objects: Final[dict[Hashable, SearchStream]] = {}
        self._open: Final[dict[int, _Asked]] = {}
        self._over: Final[dict[int, _Asked]] = {}
        self._returned: Final[dict[int, int]] = {}
        self._dropped: Final[set[Action]] = set()
        self._answered_pure: Final[set[Action]] = set()
        self._ripening: Final[list[_Step]] = []
        self._now = BEGINNING

    def feed(self, event: Event) -> State:
        """Take the next event, and judge what it made ripe."""
        counts = self._names is None or event.f in self._names
        if self.state == "possible" and isinstance(event.process, int) and counts:
            self._budget = _budget(self._seconds)
            try:
                self._take(event, event.process)
            except (Unfit, WrongDeclaration, ModelFailed) as error:
                self._give_up(str(error))
        return self.state

    def finish(self) -> State:
        """Nothing more happens: what is open may have happened or not."""
        if self.state == "possible":
            self._budget = _budget(FINISH_S)
            try:
                for asked in self._open.values():
                    self._end(asked, None)
                self._open.clear()
                self._judge_before(NEVER)
            except (Unfit, WrongDeclaration, ModelFailed) as error:
                self._give_up(str(error))
        return self.state

    @property
    def waiting(self) -> int:
        """How many operations are kept, because older ones are open."""
        return len(self._over)

    def _give_up(self, cause: str) -> None:
        self.state, self.cause = "given up", cause

    def _take(self, event: Event, process: int) -> None:
        if event.type == "invoke":
            if event.time < self._now or self._returned.get(process) == event.time:
                self._give_up(f"the stamp of event {event.index} is not after those before it")
                return
            self._now = event.time
            self._open[process] = _Asked(event, process)
        else:
            asked = self._open.pop(process)
            if event.type != "fail":
                self._end(asked, event)
        oldest = min((asked.event.time for asked in self._open.values()), default=self._now)
        self._judge_before(min(oldest, self._now))

    def _end(self, asked: _Asked, completion: Event | None) -> None:
        """The operation is over; without an answer nobody knows whether it happened."""
        known = completion is not None and completion.type == "ok"
        call, index = asked.event.time, asked.event.index
        asked.what = Action(
            asked.event.f,
            asked.event.input,
            completion.output if completion is not None and known else None,
            key=None if self._keyless else asked.event.key,
            outcome="ok" if known else "info",
        )
        heappush(self._ripening, (call, 0, call, index, _CALL if known else _CRASH))
        if completion is not None and known:
            asked.ret = completion.time
            self._returned[asked.process] = completion.time
            heappush(self._ripening, (completion.time, 1, call, index, _RETURN))
        self._over[index] = asked

    def _judge_before(self, moment: int) -> None:
        """Hand everything before this moment on: nothing can come in between any more."""
        pieces: dict[Hashable, list[tuple[int, int, int, int]]] = {}
        while self._ripening and self._ripening[0][0] < moment:
            *_, index, kind = heappop(self._ripening)
            asked = self._over[index]
            assert asked.what is not None
            action = self.automaton.number(asked.what)
            if kind != _RETURN and self._asks_pure and self.automaton.is_pure(action):
                pure = self._dropped if kind == _CRASH else self._answered_pure
                pure.add(self.automaton.action(action))
            step = (kind, index, action, asked.ret)
            pieces.setdefault(self._object(asked), []).append(step)
            if kind != _CALL:
                del self._over[index]
        for place, steps in pieces.items():
            self._walk(place, steps)
            if self.state != "possible":
                return
        if len(self.automaton.actions) > self._actions_max:
            self._renew()

    def _walk(self, place: Hashable, steps: list[tuple[int, int, int, int]]) -> None:
        table = self.automaton.table
        stream = self._objects.get(place)
        if stream is None:
            stream = self._objects[place] = SearchStream(table, prune=self._prune)
        ended = stream.feed(
            table,
            int32(kind for kind, *_ in steps),
            int32(index for _, index, *_ in steps),
            int32(action for _, _, action, _ in steps),
            int64(ret for *_, ret in steps),
            self._budget,
            self._steps,
        )
        if ended is None:
            return
        outcome, row = ended
        if outcome == "illegal":
            # What was answered took place where it was found possible first, and was asked there.
            self._budget = _budget(FINISH_S)
            if self._ask_pure({*self._dropped, *self._answered_pure}):
                self.state, self.culprit = "illegal", row
        elif outcome == "broken":
            failed = next(iter(self.automaton.failures), None)
            told = self.automaton.failed(*failed) if failed else "the model broke a declaration"
            self._give_up(told)
        else:
            self._give_up(f"the search ran out of {outcome}")

    def _ask_pure(self, actions: Iterable[Action]) -> bool:
        """Ask these operations, which are declared pure: the search asks them in few states.

        False, and given up, if that takes too long. Raises WrongDeclaration if one has an effect in
        a state that was come upon.
        """
        numbers = map(self.automaton.number, actions)
        asked = self.automaton.ask_pure(numbers, lambda: self._budget.spent() == "seconds")
        if not asked:
            self._give_up("the search ran out of seconds")
        return asked

    def _object(self, asked: _Asked) -> Hashable:
        partition = getattr(self._model, "partition", None)
        if partition is None:
            return text(asked.event.key)
        part = partition(asked.what)
        if part is None:
            raise Unfit(f"operation {asked.event.index} touches all objects: judge it at the end")
        return comparable(part)

    def _renew(self) -> None:
        """Forget the states and actions that are over."""
        if not self._ask_pure(self._dropped):
            return
        self._answered_pure.clear()
        old, new = self.automaton, Automaton(self._model)
        for stream in self._objects.values():
            states, actions = stream.numbers()
            stream.renumber(
                {state: new.number_of_state(old.states[state]) for state in states},
                {action: new.number(old.actions[action]) for action in actions},
            )
        self.automaton = new
        self._actions_max = max(ACTIONS_MAX, 2 * len(new.actions))


def _budget(seconds: float) -> SearchBudget:
    """What one event may take."""
    return budget_of(Budget(seconds=seconds, memory_mb=MEMORY_MB))

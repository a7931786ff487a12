"""Random small automata as models, which declare truly what they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from checker.history.columns import History
from checker.history.events import Event
from checker.models import Action, Inconsistent

if TYPE_CHECKING:
    from random import Random

Rows = tuple[tuple[tuple[int, ...], ...], ...]
"""For each state and action the states that may follow: none, one, or several."""


@dataclass(frozen=True)
class Machine:
    """An automaton in one state; actions are named by their number, and say nothing else."""

    rows: Rows = field(compare=False)
    state: int = 0

    def after(self, op: Action) -> tuple[int, ...]:
        return self.rows[self.state][int(op.f)]

    def pure(self, op: Action) -> bool:
        return all(row[int(op.f)] in ((), (state,)) for state, row in enumerate(self.rows))

    def blind(self, op: Action) -> bool:
        return all(row[int(op.f)] for row in self.rows)

    def settles(self, op: Action) -> bool:
        return len({after for row in self.rows for after in row[int(op.f)]}) < 2

    def canonical(self, op: Action) -> Action:
        return Action(op.f)


class Sure(Machine):
    """One in which at most one state follows."""

    def step(self, op: Action) -> Sure | Inconsistent:
        after = self.after(op)
        return Sure(self.rows, after[0]) if after else Inconsistent(f"{op.f} at {self.state}")


@dataclass(frozen=True)
class Silent:
    """One that declares nothing of what it does."""

    rows: Rows = field(compare=False)
    state: int = 0

    def step(self, op: Action) -> Silent | Inconsistent:
        after = self.rows[self.state][int(op.f)]
        return Silent(self.rows, after[0]) if after else Inconsistent(f"{op.f} at {self.state}")

    def canonical(self, op: Action) -> Action:
        return Action(op.f)


class Unsure(Machine):
    """One in which several states may follow."""

    def steps(self, op: Action) -> list[Unsure] | Inconsistent:
        after = self.after(op)
        return [Unsure(self.rows, state) for state in after] or Inconsistent("nothing follows")


def random_machine(rng: Random) -> Sure | Unsure:
    """A machine with two to five states, and two to six actions of all kinds."""
    states, actions = range(rng.randint(2, 5)), range(rng.randint(2, 6))
    unsure = rng.random() < 0.15
    columns = [_column(rng, states, unsure) for _ in actions]
    rows = tuple(tuple(column[state] for column in columns) for state in states)
    return Unsure(rows) if unsure else Sure(rows)


def _column(rng: Random, states: range, unsure: bool) -> list[tuple[int, ...]]:
    kind = rng.choice(["pure", "pure", "reset", "settles", "any"])
    target = rng.choice(states)
    column: list[tuple[int, ...]] = []
    for state in states:
        possible = kind == "reset" or rng.random() < 0.6
        follows = {"pure": state, "reset": target, "settles": target, "any": rng.choice(states)}
        others = {rng.choice(states)} if unsure and kind == "any" else set()
        column.append(tuple(sorted({follows[kind], *others})) if possible else ())
    return column


def random_run(rng: Random, machine: Machine, *, operations: int = 9) -> History:
    """A history of random actions, right or wrong as it happens."""
    now = dict.fromkeys(range(rng.randint(2, 6)), 0)
    fresh, crash_share = len(now), rng.choice([0, 0.2, 0.4, 0.6])
    events: list[Event] = []
    for _ in range(rng.randint(2, operations)):
        process, f = rng.choice(sorted(now)), str(rng.randrange(len(machine.rows[0])))
        call = now.pop(process) + rng.randint(0, 3)
        events.append(Event(index=0, time=call, process=process, type="invoke", f=f))
        if rng.random() < crash_share:
            process, now[fresh] = fresh, call
            fresh += 1
        else:
            now[process] = ret = call + rng.randint(0, 8)
            events.append(Event(index=0, time=ret, process=process, type="ok", f=f))
    events.sort(key=lambda event: event.time)
    return History.of(
        Event(index=i, time=e.time, process=e.process, type=e.type, f=e.f)
        for i, e in enumerate(events)
    )

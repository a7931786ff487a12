"""Models that the native core steps by itself: registers, and maps from keys to values.

States and actions are numbers of the core then; what they stand for is made only where somebody
looks. `native/src/search/known.rs` does what these models do, which tests compare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checker.history.layout import FAIL, INFO
from checker.linearizability.automaton import REFUSED, Automaton
from checker.models.kv import Kv
from checker.models.model import NULL
from checker.models.register import CasRegister, Register

if TYPE_CHECKING:
    from collections.abc import Callable

    from checker._core import Prepared, SearchBudget
    from checker.history.columns import History
    from checker.models.model import Action, Specification


class KnownAutomaton(Automaton):
    """An automaton whose transitions the core makes. `make` makes the action of a row."""

    def __init__(self, model: Specification, known: tuple[str, bytes]) -> None:
        super().__init__(model, known)
        self._rows: list[int] = []
        self._make: Callable[[int], Action] | None = None

    def read(
        self, history: History, outcome: memoryview, make: Callable[[int], Action]
    ) -> tuple[memoryview, frozenset[int]] | None:
        """Number the actions of a history (int32); and those that were answered.

        None if the core does not know one of them: then Python says what is wrong with it.
        """
        columns, values = history.columns, history.values
        asked = (columns.f, columns.key, columns.input, columns.output, outcome)
        numbered = self.table.number(asked, values.texts, values.ends, FAIL, INFO)
        if numbered is None:
            return None
        numbers, self._rows, told, flags = numbered
        self._make = make
        self._flags.extend(flags)
        return memoryview(numbers).cast("i"), frozenset(told)

    def prepare(
        self,
        history: History,
        make: Callable[[int], Action],
        spent: SearchBudget | None = None,
        *,
        by_rules: bool,
    ) -> Prepared | None:
        """Group a history by key, let rules judge it if wanted, and number what they leave.

        All in one call, for of many small histories the calls take longer than what they do. None
        as from `read`, or if some operations have a key and some have none. When the seconds are
        `spent` rules judge no more.
        """
        columns, values = history.columns, history.values
        initial = None
        if by_rules:
            initial = self.model.value.encode(), isinstance(self.model, CasRegister)
        prepared = self.table.prepare(
            (columns.call, columns.ret, columns.process),
            (columns.f, columns.key, columns.input, columns.output, columns.outcome),
            values.texts,
            values.ends,
            FAIL,
            INFO,
            initial,
            spent,
        )
        if prepared is not None:
            self._make, self._rows = make, prepared.action_rows
            self._flags.extend(prepared.flags)
        return prepared

    def action(self, number: int) -> Action:
        """The action with this number."""
        assert self._make is not None
        return self._make(self._rows[number])

    def state(self, number: int, action: Action) -> Specification:
        """The state with this number, for an action to happen in it."""
        text = self.table.text(number)
        assert text is not None
        if isinstance(self.model, Kv):
            held = text.decode()
            return Kv() if held == NULL else Kv(((action.place, held),))
        made: Specification = type(self.model)(text.decode())
        return made

    def successor(self, state: int, action: int) -> int:
        """The number of the state that follows, REFUSED if there is none."""
        after = self.table.follow(state, action)
        return REFUSED if after is None else after


NAMES: Final[dict[type, str]] = {Register: "register", CasRegister: "cas-register", Kv: "kv"}
REGISTERS: Final = (Register, CasRegister)


def known_automaton(model: Specification) -> KnownAutomaton | None:
    """The automaton of a model that the core knows; None for any other."""
    name = NAMES.get(type(model))
    if name is None:
        return None
    if isinstance(model, Kv):
        return None if model.held else KnownAutomaton(model, (name, NULL.encode()))
    assert isinstance(model, REGISTERS)
    return KnownAutomaton(model, (name, model.value.encode()))

"""What the Rust crate in `native/` gives to Python."""

from collections.abc import Callable, Sequence
from typing import final

__version__: str

class HistoryReader:
    """Reads a history from chunks of its file: `feed` each, then `finish`, then the columns."""

    def __init__(self) -> None: ...
    def feed(self, chunk: bytes) -> None: ...
    def finish(
        self, drop_partial_line: bool
    ) -> tuple[int | None, list[tuple[int, int, str, str]], int]: ...
    def problems(self) -> tuple[list[tuple[int, int, str, str]], int]: ...
    def operations(self) -> dict[str, bytes]: ...
    def events(self) -> dict[str, bytes]: ...
    def values(self) -> tuple[bytes, bytes]: ...

def import_history(
    data: bytes,
    format: str,
    *,
    drop_partial_line: bool,
    observe_failed_cas: bool,
    drop_nil_reads: bool,
    independent: bool | None,
    maps_are_txns: bool,
    blank_is_absent: bool,
) -> tuple[HistoryReader, int | None, dict[str, bool | int]]:
    """Read a history of another tool, in the format "edn" or "log".

    The reader that holds columns and `problems`, the number of the half-written last line if it
    was left out, and notes on how it was read.
    """

@final
class SearchResult:
    """What a search found out about one object; numbers are rows and states.

    `outcome` is "legal", "illegal", "broken", "undecided" by the `rung` that was asked for, or what
    was spent: "steps", "seconds", "memory". `rung` is the way of searching that told it last.
    `row` could not be linearized, or was being tried last. `configurations` are those right
    before: the state, and the rows that had taken effect early. `tried` are all states from which
    `row` was tried. `frontier` counts the configurations right before `row`, `widest` the most
    that were held at once; where the budget was spent both are those of the walk over everything,
    which passed `walked` returns (None: there was no walk) and counts what it came upon after
    them. `broken` is a state, an action, and "failed" or a declaration not kept.
    """

    outcome: str
    rung: str
    row: int | None
    configurations: list[tuple[int, list[int]]]
    tried: list[int]
    passed: int
    returns: int
    frontier: int
    widest: int
    walked: int | None
    crashed: int
    steps: int
    broken: tuple[int, int, str] | None

@final
class SearchBudget:
    """What the searches of one check may spend together; its clock starts when it is made.

    `steps` were spent so far; `spent()` names what is spent altogether, if anything is. `left()`
    answers the seconds left, and when they are over in seconds of the wall clock since 1970; made
    with that as `until` another budget ends then too, or after `seconds`. `memory` is how many
    bytes may be in use, None if any number.
    """

    steps: int
    memory: int | None
    def __init__(
        self,
        *,
        steps: int | None = None,
        seconds: float | None = None,
        memory_mb: int | None = None,
        until: float | None = None,
    ) -> None: ...
    def left(self) -> tuple[float, float] | None: ...
    def spent(self) -> str | None: ...

@final
class TransitionTable:
    """The transitions of one model over numbered states and actions, learned as a search asks.

    `known` is the name of a model that the core steps by itself ("register", "cas-register", "kv")
    and the text of its initial value: then `number` numbers the actions of a history (f, key,
    input, output, outcome; int32), `text` tells what a state holds, `follow` what follows it.

    `step(state, action)` answers the number of the state that follows, a tuple of several, -1 for
    a refusal, None if the model failed; nobody asks it where the model is `known`. `flags` has a
    byte for each action: 1 pure, 2 blind, 4 settles. A list of `rows` that is searched is in order
    of invocation. `held` answers how many bytes the states of the model take, which count for a
    budget of memory.
    """

    misses: int
    def __init__(
        self,
        step: Callable[[int, int], int | tuple[int, ...] | None] | None,
        flags: bytes,
        *,
        deterministic: bool,
        known: tuple[str, bytes] | None = None,
        held: Callable[[], int] | None = None,
    ) -> None: ...
    def number(
        self,
        columns: tuple[memoryview, memoryview, memoryview, memoryview, memoryview],
        texts: bytes,
        text_ends: memoryview,
        fail: int,
        info: int,
    ) -> tuple[bytes, list[int], list[int], bytes] | None: ...
    def prepare(
        self,
        wide: tuple[memoryview, memoryview, memoryview],
        narrow: tuple[memoryview, memoryview, memoryview, memoryview, memoryview],
        texts: bytes,
        text_ends: memoryview,
        fail: int,
        info: int,
        initial: tuple[bytes, bool] | None,
        budget: SearchBudget | None,
    ) -> Prepared | None: ...
    def text(self, state: int) -> bytes | None: ...
    def follow(self, state: int, action: int) -> int | None: ...
    def extend(self, flags: bytes) -> None: ...
    def search(
        self,
        call: memoryview,
        ret: memoryview,
        process: memoryview,
        action: memoryview,
        rows: memoryview,
        ends: memoryview,
        initial: int,
        *,
        prune: Sequence[str],
        budget: SearchBudget,
        steps: int | None = None,
        rung: str | None = None,
        replay: bool = False,
        stop_at_first: bool = False,
        width: int = 1,
        threads: int | None = None,
    ) -> list[SearchResult | None]: ...

@final
class Prepared:
    """A history of a model that the core knows, made ready for the search in one call.

    `codes` are those of `judge_by_rules` for all objects, empty if no `initial` value of a register
    (and whether it has compare-and-set) was given; `illegal` and `observed` likewise. Of what is
    left, which alone happened in the outcomes `kept` (None: all is left): `rows` by object, where
    each `ends`, its `first` row; `actions` with the first row of each, those that were `told`, and
    `flags`, as of `TransitionTable.number`.
    """

    codes: bytes
    illegal: list[tuple[int, list[int]]]
    observed: bool
    kept: bytes | None
    rows: bytes
    ends: bytes
    first: list[int]
    actions: bytes
    action_rows: list[int]
    told: list[int]
    flags: bytes

@final
class SearchStream:
    """One object of a history that is still going on: see `streaming.py`.

    `feed` takes a piece as columns: kinds (0 call, 1 crashed, 2 return), operations, actions, and
    when each returns. It answers None while some order explains all, else what ended the walk, and
    for "illegal" the operation. `numbers` are states and actions in use, `renumber` changes them.
    """

    passed: int
    widest: int
    def __init__(self, table: TransitionTable, *, prune: Sequence[str]) -> None: ...
    def feed(
        self,
        table: TransitionTable,
        kind: memoryview,
        row: memoryview,
        action: memoryview,
        deadline: memoryview,
        budget: SearchBudget,
        steps: int,
    ) -> tuple[str, int | None] | None: ...
    def numbers(self) -> tuple[list[int], list[int]]: ...
    def renumber(self, states: dict[int, int], actions: dict[int, int]) -> None: ...

def number_actions(
    f: memoryview,
    key: memoryview,
    input: memoryview,
    output: memoryview,
    outcome: memoryview,
    fail: int,
    info: int,
) -> tuple[bytes, list[int]]:
    """Equal actions get equal numbers (int32; -1: failed), and the row of the first of each."""

def group_by_value(
    column: memoryview, outcome: memoryview, fail: int
) -> tuple[bytes, bytes, list[int]]:
    """Rows by their value in a column, where each group ends (int32), and the first row of each.

    Rows that failed are in no group.
    """

def renumber(column: memoryview, mapping: Sequence[int]) -> bytes:
    """Each number of the column replaced by what the mapping says; negative ones stay."""

def judge_by_rules(
    name: str,
    wide: tuple[memoryview, memoryview, memoryview],
    narrow: tuple[memoryview, memoryview, memoryview, memoryview, memoryview],
    texts: bytes,
    text_ends: memoryview,
    rows: memoryview,
    ends: memoryview,
    initial: bytes,
    fail: int,
    info: int,
    has_cas: bool,
    budget: SearchBudget | None = None,
) -> tuple[bytes, list[tuple[int, list[int]]], tuple[int, str] | None, bool]:
    """Objects judged by rules of a name: call, ret, process; f, key, input, output, outcome.

    A code for each group of rows (0 the rules do not apply, 1 legal, 2 illegal), rows of illegal
    ones that are so alone, the first to which the rules do not apply and why, and whether any other
    was read. `initial` is the value of a register, which `has_cas`, or a list of what is inside.
    What is left when the seconds of the budget are spent is not judged.
    """

def keep_rows(
    outcome: memoryview,
    rows: memoryview,
    ends: memoryview,
    codes: bytes,
    code: int,
    others: Sequence[int],
    fail: int,
) -> bytes:
    """Outcomes (int32) where only rows of groups with this code, and others, did not fail."""

def group_rows(group: memoryview) -> tuple[bytes, bytes]:
    """Rows sorted by group, stably, and where each group ends (int32)."""

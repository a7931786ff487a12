"""The operations of a history by object."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import msgspec

from checker import _core
from checker.history.layout import FAIL
from checker.history.values import NULL, int32
from checker.models.model import Unfit, text
from checker.wording import of_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from checker.history.columns import History


class Objects(msgspec.Struct, frozen=True):
    """Rows of a history by object: group g are `rows[ends[g - 1] : ends[g]]`, in order of call.

    Both are int32; `key(g)` is the key of group g, and `element(g)` the element that it is of what
    has that key, if it is one. What failed is in no group.
    """

    rows: memoryview
    ends: memoryview
    key: Callable[[int], Any]
    element: Callable[[int], Any] | None = None

    def __len__(self) -> int:
        return len(self.ends)

    def group(self, number: int) -> memoryview:
        """The rows of one object."""
        return self.rows[self.ends[number - 1] if number else 0 : self.ends[number]]

    def which(self, number: int) -> dict[str, Any]:
        """The key of an object, and the text of its element if it is one."""
        key = {"key": self.key(number)}
        return key if self.element is None else {**key, "element": text(self.element(number))}

    def named(self, number: int) -> str:
        """The object in words: nothing if there is but one."""
        return of_object(self.key(number), self.which(number).get("element"))

    def only(self, numbers: Sequence[int]) -> Objects:
        """These objects, numbered anew in this order."""
        groups = [self.group(number) for number in numbers]
        rows = memoryview(b"".join(groups)).cast("i")
        ends = int32(accumulate(map(len, groups)))
        element = self.element
        return Objects(
            rows,
            ends,
            lambda number: self.key(numbers[number]),
            None if element is None else lambda number: element(numbers[number]),
        )


def grouped(groups: memoryview, key: Callable[[int], Any]) -> Objects:
    """Objects of the number of the group of each row, -1 for none."""
    rows, ends = (memoryview(column).cast("i") for column in _core.group_rows(groups))
    return Objects(rows, ends, key)


def by_key(history: History, outcome: memoryview) -> Objects:
    """Objects by the keys of the operations. Raises Unfit if some have one and some have none.

    `outcome` stands in for the history's own, where only some operations are meant.
    """
    column = history.columns.key
    rows, ends, first = _core.group_by_value(column, outcome, FAIL)
    keys = [column[row] for row in first]
    if NULL in keys and len(keys) > 1:
        without = history[first[keys.index(NULL)]].index
        with_key = history[first[1 if keys[0] == NULL else 0]].index
        raise Unfit(
            f"operation {without} has no key, but operation {with_key} has one: give a key to all"
            " or to none, or let the model say by `partition` what belongs together"
        )
    return Objects(
        memoryview(rows).cast("i"),
        memoryview(ends).cast("i"),
        lambda group: history.values[keys[group]],
    )

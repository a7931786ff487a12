"""A client that knows the ring: it reads the home nodes itself and reconciles what they hold.

It fetches the ring from any node, and again every ten seconds; with a stale one a write costs a
hop, and a read is refused by who does not keep the key any more. A read asks the first N nodes of
the key what each of them holds (`?r=own`), and goes on with the first R answers; a write goes to a
node that may coordinate it. So no request waits for another node to pass it on.

What to keep of two answers their causal contexts tell, as two replicas would: a version that the
other's context covers and the other does not show has been replaced. Contexts are exact to the
single write (`versions.py`), so nothing else is dropped.

Source: DeCandia et al., SOSP 2007, 5, 6.4 (client-driven coordination).
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.dynamo.causal_context import (
    TOKEN_CHARACTERS_MAX,
    from_token,
    to_token,
)
from systems_under_test.dynamo.ring import POSITION_BYTES, Key, position_of
from systems_under_test.dynamo.versions import NOTHING, Dot, covers, join

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RING_S: Final = 10.0
"""Seconds after which a client fetches the ring again."""


class KnownRing:
    """The ring as a node has shown it (`/ring`): where ranges end, and who keeps each."""

    def __init__(self, shown: Mapping[str, Any]) -> None:
        ranges = sorted(shown["ranges"], key=lambda one: one["end"])
        self._ends = [int(one["end"], 16) for one in ranges]
        self._homes = [tuple(one["home"]) for one in ranges]

    def place(self, name: bytes) -> Key:
        """The key of this name."""
        position = position_of(name)
        range_index = bisect_left(self._ends, position) % len(self._ends)
        return Key(name, position.to_bytes(POSITION_BYTES, "big") + name, range_index)

    def homes(self, name: bytes) -> tuple[str, ...]:
        """The nodes that keep a key, in order of preference: read them, and write through them."""
        return self._homes[self.place(name).range]


class ContextsTooLong(ValueError):
    """What the answers have seen is longer than a context: a node has to read in their place.

    A node leaves out of a context what does not fit. Of such answers a client cannot tell what has
    replaced what: one shows b, the other c, which has replaced b but had no place in its context.
    """


def reconciled(
    key: Key, answers: Sequence[Mapping[str, Any]], *, last_write_wins: bool = False
) -> tuple[list[dict[str, Any]], str | None]:
    """The versions that are left of several nodes' answers, and one context of all of them.

    In order of ids, as a node would answer it. Raises ContextsTooLong.
    """
    if not all(it.get("covered", True) for answer in answers for it in answer["versions"]):
        raise ContextsTooLong
    if last_write_wins:
        answers = _latest(answers)
    seen = [
        NOTHING if answer["context"] is None else from_token(key, answer["context"]).history
        for answer in answers
    ]
    shown = [{version["id"]: version for version in answer["versions"]} for answer in answers]
    left: dict[str, dict[str, Any]] = {}
    for versions in shown:
        for name, version in versions.items():
            dot = dot_of(name)
            if all(
                name in others or not covers(history, dot)
                for others, history in zip(shown, seen, strict=True)
            ):
                left[name] = version
    context = to_token(key, join(seen)) if left else None
    if context is not None and len(context) > TOKEN_CHARACTERS_MAX:
        raise ContextsTooLong
    return [left[name] for name in sorted(left)], context


def _latest(answers: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The answer with the version that wins; its context covers that one and no other."""

    def time(answer: Mapping[str, Any]) -> tuple[int, Dot]:
        dot = dot_of(answer["versions"][0]["id"])
        return dot.counter, dot

    return sorted((it for it in answers if it["versions"]), key=time)[-1:]


def dot_of(name: str) -> Dot:
    """The dot that a version's id is the text of."""
    node, incarnation, counter = name.rsplit(".", 2)
    return Dot(node, int(incarnation), int(counter))

"""A client that asks several nodes for one operation: rounds of requests, and what comes of them.

Pure, as codecs are: a conversation says what to send and is told what came back; an interpreter
sends, in real or in virtual time. A codec that offers `converse` beside `encode` and `decode` is
carried out so; all others send one request to one node.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from workloads.client import Completion, Failure, Reply, Request

if TYPE_CHECKING:
    from workloads.invocations import Invocation

SERVER_ERRORS: Final = 500
"""The least status by which a node says that it could not do what it was asked."""


@dataclass(frozen=True, slots=True)
class Round:
    """Requests to nodes, all at once. It is over when `enough` answered, or all have ended.

    A reply that is an error of the server (5xx) is an end, and no answer.
    """

    requests: Mapping[str, Request]
    enough: int


Answers: TypeAlias = Mapping[str, Reply | Failure]
Conversation: TypeAlias = Generator[Round, Answers, Completion]
"""Yields rounds, is sent the answers to each, and returns the completion."""


class Conversing(Protocol):
    """The optional power of a codec."""

    def converse(
        self,
        invocation: Invocation,
        request_id: str,
        *,
        node: str,
        memory: dict[str, Any],
        now: int,
    ) -> Conversation:
        """Begin an operation of a client at `node`.

        `memory` is the client's own and lives as long as it does; `now` is in nanoseconds.
        """
        ...


def conversing(codec: object) -> Conversing | None:
    """The codec, if it has that power."""
    return codec if callable(getattr(codec, "converse", None)) else None  # type: ignore[return-value]


def told(answers: Answers) -> int:
    """How many of these say what was asked; a node that says it cannot (5xx) does not.

    If it counted, a read of which a node that starts over is among the first R to reply would fail
    while enough others are about to answer.
    """
    return sum(isinstance(it, Reply) and it.status < SERVER_ERRORS for it in answers.values())

"""How a workload speaks to a system: a codec for bundled ones, a client for foreign ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.invocations import Invocation


class Request(msgspec.Struct, frozen=True):
    """An HTTP request to one node. Header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""


class Reply(msgspec.Struct, frozen=True):
    """An HTTP reply. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""


class Failure(msgspec.Struct, frozen=True):
    """No reply came.

    `definite` is True only where the request surely never reached a node (the connection was
    refused before a byte was sent): everything else may have happened.
    """

    reason: str
    definite: bool


class Completion(msgspec.Struct, frozen=True):
    """How an operation ended: `ok` it happened, `fail` it surely never will, `info` who knows.

    `extra` is written into the event's line beside the other fields.
    """

    type: Literal["ok", "fail", "info"]
    output: Any = None
    error: Any = None
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Codec(Protocol):
    """Turns operations into requests and replies into completions. Pure; keeps nothing."""

    def encode(self, invocation: Invocation, request_id: str) -> Request:
        """The request for an operation. `request_id` goes along so that node logs name it."""
        ...

    def decode(self, invocation: Invocation, reply: Reply | Failure) -> Completion:
        """The completion that a reply means. Whatever is not proved definite is `info`."""
        ...


class Client(Protocol):
    """A connection of one worker to one node of a foreign system; used by one thread only."""

    def invoke(self, invocation: Invocation, request_id: str, timeout_s: float) -> Completion:
        """Carry out the operation within the time-out; never raise for what a server may do."""
        ...

    def close(self) -> None:
        """Let go of the connection. Called once."""
        ...

"""How the operations of the workloads are asked of the store, and what its answers mean.

A key of an operation is the text of its JSON (a string is itself). Every operation has a request
id: the process is the session, the number of the operation in the run the sequence. Whatever the
store has not declared definite is `info`; a read that failed changed nothing: `fail`. The slot of
an answer stands beside it in the event's field `slot`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from systems_under_test.paxos.api import REQUEST_HEADER
from workloads.client import Completion, Failure, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.client import Reply
    from workloads.invocations import Invocation

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode
REQUEST_ID_HEADER: Final = "x-request-id"
READS: Final = ("read", "read-eventual")


def text_of(key: Any) -> str:
    """The name under which an operation's key is kept."""
    return key if isinstance(key, str) else _encode(key).decode()


def target_of(key: Any) -> str:
    """The path of a key."""
    return f"/kv/{quote(text_of(key), safe='')}"


def headers_of(invocation: Invocation, request_id: str) -> dict[str, str]:
    """The ids of a request: numbers of requests grow, so they do within each process."""
    headers = {REQUEST_ID_HEADER: request_id}
    sequence = request_id.lstrip("r")
    if sequence.isdecimal():
        headers[REQUEST_HEADER] = f"p{invocation.process}/{sequence}"
    return headers


def content_of(reply: Reply | Failure, *, pure: bool) -> tuple[Any, Completion | None]:
    """The JSON of a 200, or the completion that anything else means."""
    if isinstance(reply, Failure):
        return None, Completion("fail" if reply.definite or pure else "info", error=reply.reason)
    try:
        content = _decode(reply.body)
        sentence, definite = content.get("error"), content.get("definite") is True
    except (msgspec.DecodeError, AttributeError):
        return None, Completion(
            "fail" if pure else "info", error=f"status {reply.status}, and the body is no JSON"
        )
    if reply.status == 200:
        return content, None
    error = f"status {reply.status}: {sentence}"
    return None, Completion("fail" if definite or pure else "info", error=error)


class RegisterCodec:
    """`read`, `read-eventual`, `write` and `cas` of single values."""

    def encode(self, invocation: Invocation, request_id: str) -> Request:
        """The request for an operation. Raises ValueError for an f that it does not know."""
        target = target_of(invocation.key)
        headers = headers_of(invocation, request_id)
        match invocation.f:
            case "read":
                return Request("GET", target, headers)
            case "write":
                return Request("PUT", target, headers, _encode(invocation.input))
            case "cas":
                return Request("POST", f"{target}/cas", headers, _encode(invocation.input))
            case "read-eventual":
                least = "" if invocation.input is None else f"&slot={invocation.input}"
                return Request("GET", f"{target}?read=eventual{least}", headers)
        raise ValueError(f"the store offers read, write and cas, not {invocation.f!r}")

    def decode(self, invocation: Invocation, reply: Reply | Failure) -> Completion:
        """What a reply means."""
        content, failed = content_of(reply, pure=invocation.f in READS)
        if failed is not None:
            return failed
        extra = {"slot": content["slot"]}
        if invocation.f == "write":
            return Completion("ok", extra=extra)
        name = "value" if invocation.f in READS else "swapped"
        return Completion("ok", content[name], extra=extra)


class KvCodec:
    """`get`, `put`, `append` (of strings) and `delete`."""

    def encode(self, invocation: Invocation, request_id: str) -> Request:
        """The request for an operation. Raises ValueError for an f that it does not know."""
        target = target_of(invocation.key)
        headers = headers_of(invocation, request_id)
        match invocation.f:
            case "get":
                return Request("GET", target, headers)
            case "put":
                return Request("PUT", target, headers, _encode(invocation.input))
            case "delete":
                return Request("DELETE", target, headers)
            case "append":
                step = ["concat", text_of(invocation.key), invocation.input]
                return Request("POST", "/txn", headers, _encode([step]))
        raise ValueError(f"the store offers get, put, append and delete, not {invocation.f!r}")

    def decode(self, invocation: Invocation, reply: Reply | Failure) -> Completion:
        """What a reply means."""
        content, failed = content_of(reply, pure=invocation.f == "get")
        if failed is not None:
            return failed
        output = content["value"] if invocation.f == "get" else None
        return Completion("ok", output, extra={"slot": content["slot"]})


class TransactionCodec:
    """`txn`: a list of [verb, key, value], on keys of the operation's own key if it has one."""

    def encode(self, invocation: Invocation, request_id: str) -> Request:
        """The request for an operation. Raises ValueError for an f that it does not know."""
        if invocation.f != "txn":
            raise ValueError(f"the store offers txn here, not {invocation.f!r}")
        prefix = "" if invocation.key is None else f"{text_of(invocation.key)}/"
        steps = [[verb, prefix + text_of(key), value] for verb, key, value in invocation.input]
        headers = headers_of(invocation, request_id)
        return Request("POST", "/txn", headers, _encode(steps))

    def decode(self, invocation: Invocation, reply: Reply | Failure) -> Completion:
        """What a reply means."""
        pure = all(step[0] == "r" for step in invocation.input)
        content, failed = content_of(reply, pure=pure)
        if failed is not None:
            return failed
        output = [
            [verb, key, done[2]]
            for (verb, key, _), done in zip(invocation.input, content["txn"], strict=True)
        ]
        return Completion("ok", output, extra={"slot": content["slot"]})


def decode_dump(body: bytes) -> Mapping[str, Any]:
    """The output of a dump: key -> value. Raises ValueError if it is not all in one page."""
    page = _decode(body)
    if page["next"] is not None:
        raise ValueError(f"the dump goes on after {page['next']}")
    keys: Mapping[str, Any] = page["keys"]
    return keys

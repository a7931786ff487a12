"""How the operations of the workloads are asked of the store, and what its answers mean.

A key of an operation is the text of its JSON (a string is itself); a value its JSON in the body.
Whatever the store has not declared definite is `info`; a read that failed changed nothing: `fail`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

import msgspec

from systems_under_test.dynamo.api import CONTEXT_HEADER, REQUEST_HEADER
from workloads.client import Completion, Failure, Request

if TYPE_CHECKING:
    from workloads.client import Reply
    from workloads.invocations import Invocation

_decode_json: Final = msgspec.json.Decoder().decode


def target_of(key: Any) -> str:
    """The path under which an operation's key is kept."""
    text = key if isinstance(key, str) else msgspec.json.encode(key).decode()
    return f"/kv/{quote(text, safe='')}"


class SiblingsCodec:
    """`get`, `put` and `delete` with causal contexts, all versions shown."""

    def encode(self, invocation: Invocation, request_id: str) -> Request:
        """The request for an operation. Raises ValueError for an f that it does not know."""
        target = target_of(invocation.key)
        given = invocation.input if isinstance(invocation.input, Mapping) else {}
        match invocation.f:
            case "get":
                query = "?r=all" if given.get("r") == "all" else ""
                return Request("GET", target + query, {REQUEST_HEADER: request_id})
            case "put":
                headers = _headers(request_id, given.get("context"))
                return Request("PUT", target, headers, msgspec.json.encode(given.get("value")))
            case "delete":
                return Request("DELETE", target, _headers(request_id, given.get("context")))
            case f:
                raise ValueError(f"the siblings workload knows get, put and delete, not {f!r}")

    def decode(self, invocation: Invocation, reply: Reply | Failure) -> Completion:
        """What a reply means."""
        content, failed = _content(reply, pure=invocation.f == "get")
        if failed is not None:
            return failed
        if invocation.f != "get":
            return Completion("ok", {"id": content["id"], "context": content["context"]})
        versions = [decode_version(version) for version in content["versions"]]
        return Completion("ok", {"versions": versions, "context": content["context"]})


class RegisterCodec:
    """`read` and `write` of one value. Contexts travel in the event's field `context`.

    A write passes the context that `extra` of its invocation carries, so that it replaces what its
    process has seen. Of several siblings the one with the greatest id is read; how many there were
    stands in the field `siblings`.
    """

    def encode(self, invocation: Invocation, request_id: str) -> Request:
        """The request for an operation. Raises ValueError for an f that it does not know."""
        target = target_of(invocation.key)
        if invocation.f == "read":
            return Request("GET", target, {REQUEST_HEADER: request_id})
        if invocation.f == "write":
            headers = _headers(request_id, invocation.extra.get("context"))
            return Request("PUT", target, headers, msgspec.json.encode(invocation.input))
        raise ValueError(f"the store offers read and write of a register, not {invocation.f!r}")

    def decode(self, invocation: Invocation, reply: Reply | Failure) -> Completion:
        """What a reply means."""
        content, failed = _content(reply, pure=invocation.f == "read")
        if failed is not None:
            return failed
        extra = {"context": content["context"]} if content["context"] is not None else {}
        if invocation.f == "write":
            return Completion("ok", extra=extra)
        versions = [decode_version(version) for version in content["versions"]]
        newest = max(versions, key=_order_of_ids, default={})
        return Completion("ok", newest.get("value"), extra={**extra, "siblings": len(versions)})


class SetCodec:
    """`add` of an element as a blind put, so that all additions stay siblings; `read` of all."""

    def encode(self, invocation: Invocation, request_id: str) -> Request:
        """The request for an operation. Raises ValueError for an f that it does not know."""
        target = target_of(invocation.key)
        if invocation.f == "read":
            asks_all = isinstance(invocation.input, Mapping) and invocation.input.get("r") == "all"
            query = "?r=all" if asks_all else ""
            return Request("GET", target + query, {REQUEST_HEADER: request_id})
        if invocation.f == "add":
            body = msgspec.json.encode(invocation.input)
            return Request("PUT", target, _headers(request_id, None), body)
        raise ValueError(f"the store offers add and read of a set, not {invocation.f!r}")

    def decode(self, invocation: Invocation, reply: Reply | Failure) -> Completion:
        """What a reply means."""
        content, failed = _content(reply, pure=invocation.f == "read")
        if failed is not None:
            return failed
        if invocation.f == "add":
            return Completion("ok")
        versions = [decode_version(version) for version in content["versions"]]
        return Completion("ok", [version["value"] for version in versions if "value" in version])


def decode_version(version: Mapping[str, Any]) -> dict[str, Any]:
    """A version as operations show it: {"id", "value"} or {"id", "tombstone"}.

    With "covered": false, where the context of the reply leaves it out.
    """
    left_out = {} if version.get("covered", True) else {"covered": False}
    if version.get("tombstone"):
        return {"id": version["id"], "tombstone": True, **left_out}
    return {"id": version["id"], "value": _decode_json(version["value"]), **left_out}


def decode_dump(body: bytes) -> dict[str, dict[str, list[Any]]]:
    """The output of a dump: key -> versions in order of ids, and the nodes that should hold it."""
    return {
        unquote(key): {
            "versions": [decode_version(version) for version in held["versions"]],
            "homes": held["homes"],
        }
        for key, held in _decode_json(body)["keys"].items()
    }


def _headers(request_id: str, context: str | None) -> dict[str, str]:
    headers = {REQUEST_HEADER: request_id}
    if context is not None:
        headers[CONTEXT_HEADER] = context
    return headers


def _order_of_ids(version: Mapping[str, Any]) -> tuple[str, int, int]:
    node, incarnation, counter = version["id"].rsplit(".", 2)
    return node, int(incarnation), int(counter)


def _content(reply: Reply | Failure, *, pure: bool) -> tuple[Any, Completion | None]:
    """The JSON of a 200, or the completion that anything else means."""
    if isinstance(reply, Failure):
        return None, Completion("fail" if reply.definite or pure else "info", error=reply.reason)
    try:
        content = _decode_json(reply.body)
        sentence, definite = content.get("error"), content.get("definite") is True
    except (msgspec.DecodeError, AttributeError):
        return None, Completion(
            "fail" if pure else "info", error=f"status {reply.status}, and the body is no JSON"
        )
    if reply.status == 200:
        return content, None
    error = f"status {reply.status}: {sentence}"
    return None, Completion("fail" if definite or pure else "info", error=error)

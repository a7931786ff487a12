"""How operations of the register workloads are asked of the atomic store, and what answers mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec

from workloads.client import Completion, Failure, Request

if TYPE_CHECKING:
    from workloads.client import Reply
    from workloads.invocations import Invocation

_METHODS: Final = {"read": "GET", "write": "PUT", "cas": "POST", "delete": "DELETE"}


class RegisterCodec:
    """`read`, `write`, `cas` ([old, new]) and `delete` of a key, over HTTP."""

    def encode(self, invocation: Invocation, request_id: str) -> Request:
        """The request for an operation. Raises ValueError for an f that the store does not know."""
        if invocation.f not in _METHODS:
            known = ", ".join(_METHODS)
            raise ValueError(f"the atomic store knows no {invocation.f!r}; it knows {known}")
        target = f"/register/{quote(str(invocation.key), safe='')}"
        if invocation.f == "cas":
            target += "/cas"
        headers = {"x-request-id": request_id}
        body = b""
        if invocation.f in ("write", "cas"):
            headers["content-type"] = "application/json"
            body = msgspec.json.encode(invocation.input)
        return Request(_METHODS[invocation.f], target, headers, body)

    def decode(self, invocation: Invocation, reply: Reply | Failure) -> Completion:
        """What a reply means.

        A refusal (4xx) is definite: the store decides on it before it changes anything. Anything
        else that is not 200 may have happened: a 5xx may come from a node that died afterwards.
        """
        if isinstance(reply, Failure):
            return Completion("fail" if reply.definite else "info", error=reply.reason)
        if 400 <= reply.status < 500:
            return Completion("fail", error=_reason(reply))
        if reply.status != 200:
            return Completion("info", error=_reason(reply))
        if invocation.f in ("write", "delete"):
            return Completion("ok")
        try:
            return Completion("ok", output=msgspec.json.decode(reply.body))
        except msgspec.DecodeError as error:
            return Completion("info", error=f"the reply is not JSON: {error}")


def _reason(reply: Reply) -> str:
    """The status, with what the store says of it in words."""
    try:
        said = msgspec.json.decode(reply.body)["error"]
    except (msgspec.DecodeError, TypeError, KeyError):
        return f"status {reply.status}"
    return f"status {reply.status}: {said}"

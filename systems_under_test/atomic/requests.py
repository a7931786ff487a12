"""What a client may ask of the atomic store, read from HTTP, and what it is told when it may not.

Values are JSON and compare as JSON does: `true` is not 1, and 1 is not 1.0. Each is kept in one
canonical spelling (members sorted, no spaces), so that equal values are equal bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

if TYPE_CHECKING:
    from systems_under_test.replica import ClientRequest

VALUE_BYTES_MAX: Final = 2**20
KEY_BYTES_MAX: Final = 1024
NULL: Final = b"null"
"""What a key holds that was never written, or was deleted."""

_USAGE: Final = "GET, PUT or DELETE /register/{key}, POST /register/{key}/cas, GET /status"

_decode = msgspec.json.Decoder().decode
canonical = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class Read:
    """Asks for the value of a key."""

    key: str


@dataclass(frozen=True, slots=True)
class Store:
    """Stores a value in canonical JSON; null deletes."""

    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class CompareAndSet:
    """Stores the new value if the key holds the old one."""

    key: str
    old: bytes
    new: bytes


@dataclass(frozen=True, slots=True)
class Status:
    """Asks how the node is."""


Asked = Read | Store | CompareAndSet | Status


class Refused(Exception):
    """A request that is not understood: nothing has happened and nothing will."""

    def __init__(self, status: int, reason: str, *, allow: str | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = {} if allow is None else {"allow": allow}


def parse(request: ClientRequest) -> Asked:
    """What is asked. Raises Refused."""
    path = request.target.partition("?")[0]
    match path.split("/"):
        case ["", "status"]:
            _only(request, "GET")
            return Status()
        case ["", "register", key]:
            _only(request, "GET", "PUT", "DELETE")
            if request.method == "GET":
                return Read(_key(key))
            if request.method == "DELETE":
                return Store(_key(key), NULL)
            return Store(_key(key), canonical(_json(request.body)))
        case ["", "register", key, "cas"]:
            _only(request, "POST")
            pair = _json(request.body)
            if not isinstance(pair, list) or len(pair) != 2:
                raise Refused(400, "the body of a compare-and-set is a JSON list: [old, new]")
            return CompareAndSet(_key(key), canonical(pair[0]), canonical(pair[1]))
        case _:
            raise Refused(404, f"there is no {path}; there are {_USAGE}")


def _only(request: ClientRequest, *methods: str) -> None:
    if request.method not in methods:
        allow = ", ".join(methods)
        raise Refused(405, f"{request.method} is not understood here; {allow} is", allow=allow)


def _key(quoted: str) -> str:
    raw = unquote_to_bytes(quoted)
    if not 0 < len(raw) <= KEY_BYTES_MAX:
        raise Refused(400, f"a key has 1 to {KEY_BYTES_MAX} bytes, not {len(raw)}")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(400, "a key is percent-encoded UTF-8") from None


def _json(body: bytes) -> Any:
    if len(body) > VALUE_BYTES_MAX:
        raise Refused(413, f"a body has at most {VALUE_BYTES_MAX} bytes, not {len(body)}")
    try:
        return _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Refused(400, f"the body is not JSON: {error}") from None

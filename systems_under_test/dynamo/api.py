"""The HTTP interface: what clients may ask, and how they are answered. `curl` is enough.

    GET    /kv/{key}          all current versions with a causal context; ?r=all asks every home,
                              ?r=own shows what this node alone holds
    PUT    /kv/{key}          the body is the value; header x-lineal-context, without it blind
    DELETE /kv/{key}          a tombstone; needs the context
    GET    /status /ring /dump; / is a page for people
    POST   /admin/join?node=n6 (leave, remove, replace?node=n2&by=n6, abort): the members
    POST   /admin/repair      start over from the peers, where the store was damaged

An error is a JSON object with a sentence and `definite`: true only where nothing was stored and
nothing was sent, so that the write surely never happens.
"""

from __future__ import annotations

import re
from base64 import b64encode
from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote_from_bytes, unquote_to_bytes

import msgspec

from systems_under_test.dynamo.causal_context import (
    TOKEN_CHARACTERS_MAX,
    BadContext,
    CausalContext,
    from_token,
    to_token,
)
from systems_under_test.dynamo.versions import NOTHING, bytes_of, context_of

if TYPE_CHECKING:
    from systems_under_test.dynamo.configuration import Configuration
    from systems_under_test.dynamo.ring import Key, Ring
    from systems_under_test.dynamo.versions import History, Version, Versions
    from systems_under_test.replica import ClientRequest

CONTEXT_HEADER: Final = "x-lineal-context"
REQUEST_HEADER: Final = "x-request-id"
SHOWN_MAX: Final = 10_000
"""Keys whose percent-encoding is remembered: each request is logged with one."""
_HALF_ENCODED: Final = re.compile("%(?![0-9A-Fa-f]{2})")
PAGES: Final = ("/status", "/ring", "/dump", "/")
ORDERS: Final[dict[str, tuple[str, ...]]] = {
    "join": ("node",),
    "leave": ("node",),
    "remove": ("node",),
    "replace": ("node", "by"),
    "abort": (),
    "repair": (),
}
"""What an admin may order, and whom each names."""
METHODS: Final = ("GET", "PUT", "DELETE")
"""What a key knows."""
NAME_CHARACTERS_MAX: Final = 200

_json = msgspec.json.Encoder()


class Response(NamedTuple):
    """What a client gets: a status, a causal context for the header, a body."""

    status: int
    context: str | None
    body: bytes
    content_type: str = "application/json"
    allow: str = ""
    """The methods that the target knows, where the request's is none of them."""


class Read(msgspec.Struct, frozen=True):
    """A read of all versions; `everyone` asks every home node and waits for all of them.

    `own` asks nobody: it shows what this node itself holds.
    """

    key: Key
    everyone: bool
    name: str
    own: bool = False


class Put(msgspec.Struct, frozen=True):
    """A write by someone who had seen `history`; value None deletes. `name` goes into logs.

    `fastest` is the node that its causal context names, if it names one.
    """

    key: Key
    history: History
    value: bytes | None
    name: str
    fastest: str = ""


class Page(msgspec.Struct, frozen=True):
    """A look at the node itself."""

    path: str


class Order(msgspec.Struct, frozen=True):
    """An admin's order: `join`, `leave`, `remove`, `replace` (a node `by` another), `abort`.

    Or `repair`, of the store of this very node.
    """

    verb: str
    node: str = ""
    by: str = ""


class Refused(Exception):
    """A request that cannot be carried out; nothing was stored or sent."""

    def __init__(self, status: int, sentence: str, *, allow: str = "") -> None:
        super().__init__(sentence)
        self.response = error(status, sentence, definite=True)._replace(allow=allow)


def parse(
    request: ClientRequest, ring: Ring, configuration: Configuration
) -> Read | Put | Page | Order:
    """What the client asks for. Raises Refused with the response that says what to do."""
    path, _, query = request.target.partition("?")
    if path.startswith("/admin/"):
        return _order(request.method, path.removeprefix("/admin/"), query)
    if path in PAGES:
        if request.method != "GET":
            sentence = f"{path} can only be read: use GET, not {request.method}"
            raise Refused(405, sentence, allow="GET")
        if query:
            raise Refused(400, f"{path} takes no query, and this one has ?{query}")
        return Page(path)
    if not path.startswith("/kv/"):
        pages = ", ".join((*PAGES, "/admin"))
        raise Refused(404, f"there is nothing at {path}: use /kv/{{key}} or {pages}")
    if request.method not in METHODS:
        sentence = f"a key knows GET, PUT and DELETE, not {request.method}"
        raise Refused(405, sentence, allow=", ".join(METHODS))
    key = ring.place(_key(path[4:], configuration))
    name = request.headers.get(REQUEST_HEADER, "")[:NAME_CHARACTERS_MAX]
    if request.method == "GET":
        whom = _whom(query)
        return Read(key, whom == "all", name, own=whom == "own")
    if query:
        raise Refused(400, f"a {request.method} takes no query, and this one has ?{query}")
    if request.method == "PUT":
        if len(request.body) > configuration.value_bytes_max:
            limit = configuration.value_bytes_max
            raise Refused(413, f"the value has {len(request.body)} bytes; at most {limit} fit")
        context = _context(request, key) or CausalContext(NOTHING)
        return Put(key, context.history, request.body, name, context.fastest)
    passed = _context(request, key)
    if passed is None:
        raise Refused(428, f"a delete needs {CONTEXT_HEADER}: read the key and pass it on")
    return Put(key, passed.history, None, name, passed.fastest)


def _order(method: str, verb: str, query: str) -> Order:
    if verb not in ORDERS:
        raise Refused(404, f"there is no order {verb!r}: use {', '.join(ORDERS)}")
    if method != "POST":
        sentence = f"an order changes the members: use POST, not {method}"
        raise Refused(405, sentence, allow="POST")
    pairs = parse_qsl(query, keep_blank_values=True)
    given, needed = dict(pairs), ORDERS[verb]
    if sorted(name for name, _ in pairs) != sorted(needed) or not all(given.values()):
        said = f"?{'&'.join(f'{name}=...' for name in needed)}" if needed else "no query"
        raise Refused(400, f"{verb} takes {said}")
    return Order(verb, **given)


def _key(text: str, configuration: Configuration) -> bytes:
    if _HALF_ENCODED.search(text):
        # Taken as it stands, %zz would be the same key as %25zz.
        raise Refused(400, f"a key is percent-encoded: % and two hexadecimal digits, not {text}")
    name = unquote_to_bytes(text)
    if not name:
        raise Refused(400, "the key is empty: use /kv/{key}")
    if len(name) > configuration.key_bytes_max:
        limit = configuration.key_bytes_max
        raise Refused(400, f"the key has {len(name)} bytes; at most {limit} are allowed")
    return name


def _whom(query: str) -> str:
    """Whom a read asks: `all` home nodes, only this node's `own` copy, or as many as usual."""
    if not query:
        return ""
    given = parse_qsl(query, keep_blank_values=True)
    if len(given) == 1 and given[0] in (("r", "all"), ("r", "own")):
        return given[0][1]
    raise Refused(400, f"a read knows the queries ?r=all and ?r=own and no other, not ?{query}")


def _context(request: ClientRequest, key: Key) -> CausalContext | None:
    token = request.headers.get(CONTEXT_HEADER)
    if not token:
        return None
    try:
        return from_token(key, token)
    except BadContext as reason:
        raise Refused(400, f"{CONTEXT_HEADER}: {reason}") from None


def versions_read(key: Key, versions: Versions, fastest: str = "") -> Response:
    """The answer to a read: the versions in order of their ids, and the context of all of them.

    A version that had no place in the context says so (`covered` false). If it did not, a client
    that writes with this context would have told everyone that it replaces all that it was shown,
    and the version would stand beside its replacement like a sibling that nobody may see.
    """
    shown = in_order_of_ids(versions)
    if not versions:
        return Response(200, None, _body({"versions": shown, "context": None}))
    context, covered = _fitting(key, versions, fastest)
    if len(covered) < len(versions):
        inside = {str(version.dot) for version in covered}
        shown = [it if it["id"] in inside else {**it, "covered": False} for it in shown]
    return Response(200, context, _body({"versions": shown, "context": context}))


def _fitting(key: Key, versions: Versions, fastest: str) -> tuple[str, Versions]:
    """A context that fits, and what it covers: all versions, or those that have seen least.

    A write that has seen fewer replaces fewer, and the next read says the rest.
    """
    token = to_token(key, context_of(versions), fastest)
    if len(token) <= TOKEN_CHARACTERS_MAX:
        return token, versions
    by_length = sorted(versions, key=lambda version: bytes_of(version.history))

    def context_of_first(count: int) -> str:
        return to_token(key, context_of(tuple(by_length[:count])), fastest)

    def is_too_long(count: int) -> bool:
        return len(context_of_first(count)) > TOKEN_CHARACTERS_MAX

    fits = bisect_left(range(len(versions)), True, key=is_too_long) - 1
    return context_of_first(fits), tuple(by_length[:fits])


def in_order_of_ids(versions: Versions) -> list[dict[str, Any]]:
    """The versions as JSON objects, in order of their ids as text."""
    shown = [_shown(version) for version in versions]
    if len(shown) > 1:
        shown.sort(key=lambda version: version["id"])
    return shown


def _shown(version: Version) -> dict[str, Any]:
    if version.value is None:
        return {"id": str(version.dot), "tombstone": True}
    return {"id": str(version.dot), **text_or_base64("value", version.value)}


def text_or_base64(name: str, content: bytes) -> dict[str, str]:
    """Bytes for JSON: as text where they are UTF-8, else in base64 under another name."""
    try:
        return {name: content.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": b64encode(content).decode()}


def written(key: Key, version: Version, seen: History) -> Response:
    """The answer to a write: its id, and a context that covers `seen`.

    That is what the write had seen and itself, nothing else: if it covered the coordinator's other
    versions, a client that never saw them would overwrite them with its next put.
    """
    context = to_token(key, seen)
    return Response(200, context, _body({"id": str(version.dot), "context": context}))


def error(status: int, sentence: str, *, definite: bool) -> Response:
    """A refusal or a failure."""
    return Response(status, None, _body({"error": sentence, "definite": definite}))


def page(content: Any) -> Response:
    """A JSON page."""
    return Response(200, None, _body(content))


def html(text: str) -> Response:
    """A page for a browser."""
    return Response(200, None, text.encode(), "text/html; charset=utf-8")


@lru_cache(SHOWN_MAX)
def shown_key(name: bytes) -> str:
    """A key as it stands in a path, percent-encoded: no two keys are shown alike."""
    return quote_from_bytes(name, safe="")


def _body(content: Any) -> bytes:
    return _json.encode(content) + b"\n"

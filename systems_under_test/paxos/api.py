"""The HTTP interface: what clients may ask, and how they are answered. `curl` is enough.

    GET    /kv/{key}          {"value", "slot"}; ?read=eventual answers from this replica, with
                              &slot=n only once it has applied that slot
    PUT    /kv/{key}          the body is the value, JSON
    DELETE /kv/{key}
    POST   /kv/{key}/cas      the body is [old, new]; {"swapped", "slot"}
    POST   /txn               a list of [verb, key, value]; {"txn", "slot"}
    GET    /status
    GET    /dump              {"slot", "keys", "next"}; the next page is ?after= what `next` says
    POST   /admin/handover?to=n2    /admin/add?node=n3    /admin/remove?node=n3
    POST   /admin/scrub    /admin/backup
    POST   /admin/restore?to=1767225600000    {"slot", "time", "keys"} as of then, in ms

The header `x-lineal-request: session/sequence` makes a repetition harmless. An error is a JSON
object with a sentence and `definite`: true only where the request surely never takes effect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec

from systems_under_test.paxos.commands import NULL, VERBS, canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems_under_test.paxos.commands import Steps
    from systems_under_test.paxos.configuration import Configuration
    from systems_under_test.replica import ClientRequest

REQUEST_HEADER: Final = "x-lineal-request"
LEADER_HEADER: Final = "x-lineal-leader"
JSON_TYPE: Final = {"content-type": "application/json"}
PAGES: Final = ("/status", "/dump")
ORDERS: Final = {"handover": "to", "add": "node", "remove": "node", "scrub": "", "backup": ""}
"""Each with the name of what it takes."""
SESSION_CHARACTERS_MAX: Final = 100
MS_DIGITS_MAX: Final = 16
DIGITS_MAX: Final = 19
"""Of a slot and of a sequence number: they fit into 64 bits. Python raises for 5,000 digits."""
DEPTH_MAX: Final = 100
"""Of lists and objects in a body. What one stack could just read, a deeper one could not: the log
held a command of which every replica died, at each start anew."""
TOO_DEEP: Final = f"the body is nested more than {DEPTH_MAX} levels deep"
SEQUENCE_MAX: Final = 2**62
_HALF_ENCODED: Final = re.compile("%(?![0-9A-Fa-f]{2})")

READ_INTO: Final = ("r", "cas")
"""Verbs whose result is not what was given."""

_decode = msgspec.json.Decoder().decode
_json = msgspec.json.Encoder().encode


class RequestId(NamedTuple):
    """The client's own name for a request."""

    session: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Read:
    """A read of one key: strong, or of this replica once it has applied a slot."""

    key: str
    strong: bool
    slot: int


@dataclass(frozen=True, slots=True)
class Write:
    """A transaction, and how its results are shown: `put`, `cas` or `txn`."""

    steps: Steps
    shape: str
    id: RequestId | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """A look at the node itself; of its state what follows on a key."""

    path: str
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An operator's order."""

    order: str
    node: str


@dataclass(frozen=True, slots=True)
class Restore:
    """The state as it was at a time of the log, in nanoseconds."""

    time: int


class Refused(Exception):
    """A request that cannot be carried out; nothing was stored or sent."""

    def __init__(
        self, status: int, sentence: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = {**JSON_TYPE, **(headers or {})}


def parse(
    request: ClientRequest, configuration: Configuration
) -> Read | Write | Page | Order | Restore:
    """What the client asks for. Raises Refused with the status and the sentence."""
    path, _, query = request.target.partition("?")
    if path in PAGES:
        _only(request, "GET")
        asked = _asked(path, query, *(["after"] if path == "/dump" else []))
        return Page(path, asked.get("after"))
    parts = path.split("/")
    match parts:
        case ["", "kv", key]:
            _only(request, "GET", "PUT", "DELETE")
            if request.method == "GET":
                return _read(_key(key, configuration), query, configuration)
            _asked(path, query)
            value = NULL if request.method == "DELETE" else _value(request.body, configuration)
            return _write(request, configuration, (("w", _key(key, configuration), value),), "put")
        case ["", "kv", key, "cas"]:
            _only(request, "POST")
            _asked(path, query)
            pair = _body(request.body, configuration)
            if not isinstance(pair, list) or len(pair) != 2:
                raise Refused(400, "the body of a compare-and-set is a JSON list: [old, new]")
            step = ("cas", _key(key, configuration), canonical(pair))
            return _write(request, configuration, (step,), "cas")
        case ["", "txn"]:
            _only(request, "POST")
            _asked(path, query)
            return _write(request, configuration, _transaction(request.body, configuration), "txn")
        case ["", "admin", "restore"]:
            _only(request, "POST")
            return _restore(query)
        case ["", "admin", order] if order in ORDERS:
            _only(request, "POST")
            return _order(order, query)
    raise Refused(404, f"there is nothing at {path}: use /kv/{{key}}, /txn, {', '.join(PAGES)}")


def _only(request: ClientRequest, *methods: str) -> None:
    if request.method not in methods:
        path, allowed = request.target.partition("?")[0], ", ".join(methods)
        raise Refused(405, f"{path} knows {allowed}, not {request.method}", {"allow": allowed})


def _asked(path: str, query: str, *names: str) -> dict[str, str]:
    """The parameters of a query by name. Raises Refused for one that the path does not know."""
    asked: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in names:
            known = f"{', '.join(names)} alone" if names else "no parameters"
            raise Refused(400, f"{path} knows {known}, not ?{query}")
        if name in asked:
            raise Refused(400, f"{name} stands twice in ?{query}")
        asked[name] = value
    return asked


def _key(text: str, configuration: Configuration) -> str:
    if _HALF_ENCODED.search(text):
        raise Refused(400, f"a key is percent-encoded: % and two hexadecimal digits, not {text}")
    try:
        key = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise Refused(400, "a key is percent-encoded UTF-8") from None
    return _checked_key(key, configuration)


def _checked_key(key: Any, configuration: Configuration) -> str:
    if not isinstance(key, str):
        raise Refused(400, f"a key is a string, not {key!r}")
    length = len(key.encode())
    if not 0 < length <= configuration.key_bytes_max:
        limit = configuration.key_bytes_max
        raise Refused(400, f"a key has 1 to {limit} bytes, not {length}")
    return key


def _body(body: bytes, configuration: Configuration) -> Any:
    if len(body) > configuration.value_bytes_max:
        limit = configuration.value_bytes_max
        raise Refused(413, f"the body has {len(body)} bytes; at most {limit} fit")
    try:
        value = _decode(body)
    except RecursionError:
        raise Refused(400, TOO_DEEP) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Refused(400, f"the body is not JSON: {error}") from None
    if _is_deeper(value, DEPTH_MAX):
        raise Refused(400, TOO_DEEP)
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects stand in one another more often than that."""
    inside = [value]
    for _ in range(levels + 1):
        held = [each for each in inside if isinstance(each, list | dict)]
        if not held:
            return False
        inside = [
            part for each in held for part in (each.values() if isinstance(each, dict) else each)
        ]
    return True


def _value(body: bytes, configuration: Configuration) -> bytes:
    return canonical(_body(body, configuration))


def _read(key: str, query: str, configuration: Configuration) -> Read:
    asked = _asked("a read", query, "read", "slot")
    usual = "eventual" if configuration.reads == "eventual" else "strong"
    level, slot = asked.get("read", usual), asked.get("slot", "0")
    if level not in ("strong", "eventual") or not _is_number(slot):
        raise Refused(400, f"a read knows ?read=strong|eventual and &slot=n, not ?{query}")
    if level == "strong" and int(slot):
        raise Refused(400, "a strong read is of the newest slot: &slot=n is for eventual ones")
    return Read(key, level == "strong", int(slot))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX


def _write(request: ClientRequest, configuration: Configuration, steps: Steps, shape: str) -> Write:
    size, limit = sum(len(value) for _, _, value in steps), configuration.value_bytes_max
    if size > limit:  # 1e15 is written with more digits than it was sent with.
        raise Refused(413, f"the body has {size} bytes as it is kept; at most {limit} fit")
    whole = msgspec.msgpack.encode((request.method, shape, steps))
    digest = blake2b(whole, digest_size=8).digest()
    return Write(steps, shape, request_id(request.headers.get(REQUEST_HEADER)), digest)


def request_id(text: str | None) -> RequestId | None:
    """The id in a header, None without one. Raises Refused for one of another form."""
    if text is None:
        return None
    session, slash, sequence = text.rpartition("/")
    good = slash and session and len(session) <= SESSION_CHARACTERS_MAX
    # A comma: two ids that somebody on the way has joined would be one of another session.
    if not good or not _is_number(sequence) or int(sequence) > SEQUENCE_MAX or {*"~,"} & {*session}:
        raise Refused(400, f"{REQUEST_HEADER} is one session/sequence, no ~ or comma, not {text!r}")
    return RequestId(session, int(sequence))


def _transaction(body: bytes, configuration: Configuration) -> Steps:
    asked = _body(body, configuration)
    if not isinstance(asked, list) or not asked:
        raise Refused(400, "a transaction is a list of [verb, key, value], not empty")
    if len(asked) > configuration.transaction_steps_max:
        limit = configuration.transaction_steps_max
        raise Refused(413, f"the transaction has {len(asked)} steps; at most {limit} are allowed")
    steps = []
    for step in asked:
        if not isinstance(step, list) or len(step) != 3 or step[0] not in VERBS:
            raise Refused(400, f"a step is [verb, key, value], verb one of {', '.join(VERBS)}")
        verb, key, value = step
        if verb == "concat" and not isinstance(value, str):
            raise Refused(400, "the value of concat is a string")
        if verb == "cas" and (not isinstance(value, list) or len(value) != 2):
            raise Refused(400, "the value of cas is [old, new]")
        steps.append((verb, _checked_key(key, configuration), canonical(value)))
    return tuple(steps)


def _order(order: str, query: str) -> Order:
    name = ORDERS[order]
    asked = _asked(f"/admin/{order}", query, *filter(None, [name]))
    node = asked.get(name, "")
    if name and order != "handover" and not node:
        raise Refused(400, f"/admin/{order} takes ?{name}=node, not ?{query}")
    return Order(order, node)


def _restore(query: str) -> Restore:
    to = _asked("/admin/restore", query, "to").get("to", "")
    if not _is_number(to) or len(to) > MS_DIGITS_MAX:
        raise Refused(400, f"/admin/restore takes ?to=milliseconds since 1970, not ?{query}")
    return Restore((int(to) + 1) * 1_000_000 - 1)


def restored(slot: int, time: int, keys: Mapping[bytes, bytes]) -> bytes:
    """The body of a restored state; `time` in milliseconds."""
    found = {key.decode(): _decode(value) for key, value in sorted(keys.items())}
    return _json({"slot": slot, "time": time // 1_000_000, "keys": found})


def error(sentence: str, *, definite: bool) -> bytes:
    """The body of a refusal or a failure."""
    return _json({"error": sentence, "definite": definite})


def sentence_in(results: bytes) -> str:
    """The sentence of a refusal, as the state machine gives it."""
    return str(_decode(results))


def page(content: Any) -> bytes:
    """The body of a page."""
    return _json(content)


def shown(shape: str, steps: Steps, results: bytes, slot: int) -> bytes:
    """The body of an answer: `results` is a value for a read, else a list with one for each step.

    A transaction is shown with the values that it read filled in.
    """
    if shape == "read":
        return b'{"value":%b,"slot":%d}' % (results, slot)
    if shape == "put":
        return b'{"slot":%d}' % slot
    if shape == "cas":
        return b'{"swapped":%b,"slot":%d}' % (results[1:-1], slot)
    filled = [
        [verb, key, result if verb in READ_INTO else _decode(given)]
        for (verb, key, given), result in zip(steps, _decode(results), strict=True)
    ]
    return _json({"txn": filled, "slot": slot})

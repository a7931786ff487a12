"""Reads the histories of public projects, where they are beside the checkout.

Importers for users come as their own package; these know only what the files here contain.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checker.history.columns import History
from checker.history.events import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CORPORA = Path(__file__).parents[3].parent / "shared" / "corpora"

_LINE = re.compile(r"INFO\s+jepsen\.util - (\d+)\s+:(\w+)\s+:(\w+)\s+(.*)")
_EDN = re.compile(r'\s*(?:;[^\n]*\n\s*)*([\[\](){}]|"[^"]*"|[^\s\[\](){},"]+)[,\s]*')


def etcd_log(path: Path) -> History:
    """A Jepsen log of etcd: a failed compare-and-set saw another value, a failed read nothing."""
    written = (_LINE.match(line) for line in path.read_text().splitlines())
    return _history(
        _etcd_event(int(match[1]), match[2], match[3], match[4].strip())
        for match in written
        if match is not None
    )


def _etcd_event(process: int, kind: str, f: str, rest: str) -> dict[str, Any]:
    value = None if rest in ("nil", ":timed-out") else _numbers(rest)
    if kind == "fail" and f == "cas":
        return {"process": process, "type": "ok", "f": f, "output": False}
    if kind == "ok":
        output = {"cas": True, "read": value}.get(f)
        return {"process": process, "type": "ok", "f": f, "output": output}
    given = value if kind == "invoke" and f != "read" else None
    return {"process": process, "type": kind, "f": f, "input": given}


def _numbers(text: str) -> Any:
    found = [int(number) for number in re.findall(r"-?\d+", text)]
    return found if text.startswith("[") else found[0]


def edn(path: Path) -> list[dict[str, Any]]:
    """The events of a Jepsen history: keywords are strings, nil is None."""
    tokens = iter(_EDN.findall(re.sub(r";[^\n]*", "", path.read_text())))
    values = list(_edn_values(tokens, None))
    return values if isinstance(values[0], dict) else list(values[0])


def _edn_values(tokens: Iterator[str], end: str | None) -> Iterator[Any]:
    for token in tokens:
        if token == end:
            return
        if token in "[(":
            yield list(_edn_values(tokens, {"[": "]", "(": ")"}[token]))
        elif token == "{":
            parts = list(_edn_values(tokens, "}"))
            yield dict(zip(parts[::2], parts[1::2], strict=True))
        elif re.fullmatch(r"-?\d+", token):
            yield int(token)
        else:
            yield {"nil": None}.get(token, token.strip(':"'))


def knossos(path: Path, model: str) -> History:
    """A history of Knossos: what failed did not happen, and a read of nil saw anything."""
    return _history(
        event for value in edn(path) if (event := _knossos_event(value, model)) is not None
    )


def _knossos_event(value: dict[str, Any], model: str) -> dict[str, Any] | None:
    if not isinstance(value["process"], int):
        return None
    kind, f = value["type"], value["f"]
    given: Any = value.get("value")
    event = {"process": value["process"], "type": kind, "f": f}
    if model == "mutex":
        return event
    if f == "txn":
        given = [["r" if verb == "read" else "w", name, v] for verb, name, v in given]
    if kind == "invoke":
        return event | {"input": None if f == "read" else given}
    if kind == "ok":
        event["output"] = True if f == "cas" else given if f in ("read", "txn") else None
        unknown = f == "read" and given is None
        if f == "txn":
            unknown = any(verb == "r" and v is None for verb, _, v in given)
        # A read without effect whose answer is unknown says nothing.
        return event if not unknown else event | {"type": "fail", "output": None}
    return event


def porcupine_kv(path: Path) -> History:
    """A history of Porcupine's key-value store, where an absent key holds the empty string."""
    return _history(
        {
            "process": value["process"],
            "type": value["type"],
            "f": value["f"],
            "key": value["key"],
            "input": value["value"] if value["type"] == "invoke" and value["f"] != "get" else None,
            "output": value["value"] if value["type"] == "ok" and value["f"] == "get" else None,
        }
        for value in edn(path)
    )


def _history(events: Iterable[dict[str, Any]]) -> History:
    """Lines stand in the order in which they were written: the line number is the stamp."""
    return History.of(
        Event(index=number, time=number, **event) for number, event in enumerate(events)
    )

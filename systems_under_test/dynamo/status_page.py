"""The status of a node as a page for a browser: what `/status` says, for people."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.dynamo.counters import SENTENCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STYLE: Final = """\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em;
       color: #222; background: #fff; }
h1 { font-size: 1.4em; margin-bottom: 0; } h2 { font-size: 1.05em; margin: 1.6em 0 .4em; }
table { border-collapse: collapse; } td, th { padding: .15em .9em .15em 0; text-align: left;
       vertical-align: top; } th { font-weight: 600; border-bottom: 1px solid #bbb; }
td.n { text-align: right; font-variant-numeric: tabular-nums; } .zero { color: #888; }
.bad { color: #a40000; font-weight: 600; } .bar { background: #4a7ab5; height: .8em; }
p { margin: .3em 0; }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181a1b }
.zero { color: #777 } .bad { color: #ff8f8f } }
"""

LINKS: Final = (
    'As JSON: <a href="/status">status</a>, <a href="/ring">ring</a>, '
    '<a href="/dump">everything that it holds</a>.'
)


def render(status: Mapping[str, Any]) -> str:
    """The page of what `/status` returns."""
    name = escape(str(status["node"]))
    measured = status["measured"]
    parts = [
        f"<h1>{name}</h1>",
        f"<p>Life {status['incarnation']} of this node. {LINKS}</p>",
        f"<p>{status['open_requests']} requests are open.</p>",
        *_warnings(status),
        "<h2>Latency of its clients</h2>",
        _table(("", "requests", "p50", "p99", "p99.9"), _latencies(measured["latency"])),
        "<h2>Peers</h2>",
        _table(("node", "seen", "hints kept for it", "requests asked of it"), _peers(status)),
        "<h2>Versions returned by a read</h2>",
        _table(("versions", "reads", ""), _bars(measured["versions_per_read"])),
        "<h2>Counters of this life</h2>",
        _table(("", "", ""), _counters(status["counters"])),
        "<h2>Options</h2>",
        _table(("", ""), [(escape(k), escape(str(v))) for k, v in status["options"].items()]),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _warnings(status: Mapping[str, Any]) -> list[str]:
    said = []
    if status["bug"] is not None:
        said.append(f"It is broken on purpose: bug {status['bug']}.")
    if status["damage"]:
        said.append(f"It began with nothing: {status['damage']}, and was put aside.")
    left_out = [peer for peer, state in status["peers"].items() if state != "up"]
    if left_out:
        said.append(f"It has left out {', '.join(left_out)}, which did not answer.")
    uneven = status["measured"]["out_of_balance"]
    if uneven:
        said.append(f"Out of balance by over 15 %: {', '.join(uneven)}.")
    return [f'<p class="bad">{escape(sentence)}</p>' for sentence in said]


def _latencies(latency: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[str, ...]]:
    for name, found in latency.items():
        quantiles = [found[f"{quantile}_ms"] for quantile in ("p50", "p99", "p99.9")]
        shown = ["-" if ms is None else f"{ms:.2f} ms" for ms in quantiles]
        yield escape(name), _number(found["count"]), *shown


def _peers(status: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    asked, uneven = status["measured"]["requests_asked_of"], status["measured"]["out_of_balance"]
    for node in sorted({*status["peers"], status["node"]}):
        state = status["peers"].get(node, "itself")
        marked = escape(state) if state in ("up", "itself") else f'<b class="bad">{state}</b>'
        mark = ' <b class="bad">out of balance</b>' if node in uneven else ""
        hints = _number(status["hints"].get(node, 0))
        yield escape(node), marked, hints, _number(asked.get(node, 0)) + mark


def _bars(histogram: Mapping[str, int]) -> Iterable[tuple[str, ...]]:
    greatest = max(histogram.values(), default=1)
    for versions, reads in histogram.items():
        width = 20 * reads / greatest
        yield versions, _number(reads), f'<div class="bar" style="width:{width:.2f}em"></div>'


def _counters(counters: Mapping[str, int]) -> Iterable[tuple[str, ...]]:
    for name, count in counters.items():
        yield escape(name.replace("_", " ")), _number(count), escape(SENTENCES.get(name, ""))


def _number(count: int) -> str:
    return f"{count:,}" if count else '<span class="zero">0</span>'


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    titles = "".join(f"<th>{escape(title)}</th>" for title in head) if any(head) else ""
    return f"<table><tr>{titles}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"

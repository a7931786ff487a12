"""How `lineal list` lays out what has a name: an index, and a page for each section and name."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

WIDTH: Final = 100
"""Columns of a page."""
COLUMN_MAX: Final = 25
"""A longer name stands on a line of its own."""

TITLES: Final = {
    "systems": "systems: lineal run SYSTEM",
    "workloads": "workloads: --workload NAME, with options of their own by --option NAME=VALUE",
    "environments": "environments: --environment NAME",
    "nemeses": "nemeses: --nemesis NAME[:VARIANT][@TARGET],...",
    "nemesis-options": "nemesis-options: --nemesis-option NAME=VALUE",
    "targets": "targets of nemeses: --nemesis NAME@TARGET, or node names as n1+n3",
    "bugs": "bugs: lineal run SYSTEM --bug NAME",
    "models": "models: lineal check FILE --model NAME",
    "checkers": "checkers: lineal check FILE --checker NAME",
    "claims": "claims, which systems promise and checkers judge",
    "findings": "findings, which say what was violated",
}

MORE: Final = """\
lineal list SECTION   a section with a line for each, as `lineal list nemeses`
lineal list NAME      everything about a name, as `lineal list dynamo` or `lineal list cart`"""


def index(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The lines of the front page: systems and environments in words, the rest by name."""
    for section, named in found.items():
        yield TITLES[section]
        if section in ("systems", "environments"):
            yield from rows((name, about["sentence"]) for name, about in named.items())
        elif section == "bugs":
            counts = (f"{len(bugs)} of {system}" for system, bugs in named.items())
            yield f"  {', '.join(counts)}: `lineal list bugs`"
        else:
            yield from _wrapped(", ".join(named), "  ")
    yield ""
    yield from MORE.splitlines()


def section_page(section: str, named: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a section, or of those of its names that were asked for."""
    yield TITLES[section]
    yield from _LAYOUTS.get(section, _sentences)(named)


def rows(pairs: Iterable[tuple[str, str]], indent: str = "  ") -> Iterator[str]:
    """Names in a column, and beside each what is said of it."""
    pairs = list(pairs)
    short = (len(name) for name, _ in pairs if len(name) <= COLUMN_MAX)
    margin = indent + " " * (max(short, default=0) + 2)
    for name, said in pairs:
        first, *others = textwrap.wrap(said, WIDTH - len(margin), break_on_hyphens=False) or [""]
        if len(indent) + len(name) + 2 > len(margin):
            yield indent + name
            yield margin + first
        else:
            yield f"{indent}{name}".ljust(len(margin)) + first
        yield from (margin + line for line in others)


def _wrapped(text: str, indent: str, then: str | None = None) -> Iterator[str]:
    yield from textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if then is None else then,
        break_on_hyphens=False,
    )


def _sentences(named: Mapping[str, str]) -> Iterator[str]:
    yield from rows(named.items())


def _systems(named: Mapping[str, Any]) -> Iterator[str]:
    for name, about in named.items():
        yield from _wrapped(f"{name}: {about['sentence']}", "  ")
        counts = [_counted(about["nodes"], "node"), _counted(len(about["options"]), "option")]
        counts.append(_counted(len(about["bugs"]), "bug"))
        yield from _wrapped(f"{', '.join(counts)}; workloads {_with_default(about)}", " " * 6)
    yield ""
    yield "lineal list SYSTEM shows its options, bugs and promises, as `lineal list dynamo`"


def system_page(name: str, about: Mapping[str, Any]) -> Iterator[str]:
    """The lines about one system: options with defaults, bugs with who finds them, promises."""
    from checker.claims import CLAIMS

    sentence = f": {about['sentence']}" if about["sentence"] else ""
    yield from _wrapped(f"system {name}{sentence}", "")
    nodes = _counted(about["nodes"], "node")
    yield f"  {nodes} unless told otherwise; in {', '.join(about['environments'])}"
    yield from _wrapped(f"workloads (--workload): {_with_default(about)}", "  ")
    if about["options"]:
        yield f"options of {name} (--option NAME=VALUE); a workload has its own, see its page"
        yield from rows(about["options"].items())
    if about["bugs"]:
        yield f"bugs of {name} (--bug NAME; what a bug needs comes with it)"
        yield from _bugs_of(about["bugs"])
    yield "promises by default and without faults; options may add some, and faults withdraw some"
    yield from rows((claim, CLAIMS[claim]) for claim in about["promises"])
    if about["not_promised"]:
        yield "not promised by default: counted, and not judged"
        yield from rows(about["not_promised"].items())


def _counted(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def _with_default(about: Mapping[str, Any]) -> str:
    default = about["default_workload"]
    others = [name for name in about["workloads"] if name != default]
    return ", ".join([f"{default} (the default)" if others else default, *others])


def _bugs(named: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for system, bugs in named.items():
        yield f"of {system}"
        yield from _bugs_of(bugs)


def _bugs_of(bugs: Mapping[str, Any]) -> Iterator[str]:
    for name, bug in bugs.items():
        yield from _wrapped(f"{name}: {bug['sentence']}", "  ", " " * 6)
        yield from _wrapped(_found(bug), " " * 6)


def _found(bug: Mapping[str, Any]) -> str:
    """What a bug leads to, who finds it, and under what."""
    if not bug["finding"]:
        return f"-> found by {bug['found_by']}"
    under = [f"workload {bug['workload']}", f"nemesis {bug['faults']}"]
    under += [f"{bug['nodes']} nodes"] if bug["nodes"] else []
    under += [f"{option}={value}" for option, value in bug["needs"].items()]
    return f"-> {bug['finding']}, by {' and '.join(bug['checkers'])}; with {', '.join(under)}"


def _workloads(named: Mapping[str, Any]) -> Iterator[str]:
    for name, about in named.items():
        yield from _wrapped(f"{name}: {about['sentence']}", "  ")
        who = f"of {', '.join(about['systems'])}; judged by {', '.join(about['checkers'])}"
        yield from _wrapped(who, " " * 6)
        yield from rows(about["options"].items(), " " * 6)


def _environments(named: Mapping[str, Any]) -> Iterator[str]:
    for name, about in named.items():
        said = f"{name}: {about['sentence']}. Carries: {', '.join(about['carries'])}."
        yield from _wrapped(said, "  ", " " * 6)
        if about["options"]:
            yield "      options (--environment-option NAME=VALUE)"
            yield from rows(about["options"].items(), " " * 8)


def _nemeses(named: Mapping[str, Any]) -> Iterator[str]:
    for name, about in named.items():
        yield from _wrapped(f"{name}: {about['sentence']}", "  ", " " * 6)
        yield f"      in {', '.join(about['environments'])}"
        variants = ((f"{name}:{v}", said) for v, said in about["variants"].items())
        yield from rows(variants, " " * 6)
    yield ""
    yield "`lineal list targets` shows targets, `lineal list nemesis-options` when and how many"


def _checkers(named: Mapping[str, Any]) -> Iterator[str]:
    yield from rows(
        (
            name,
            f"{about['sentence']} Claims: {', '.join(about['claims']) or 'none'}.",
        )
        for name, about in named.items()
    )


_LAYOUTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]]] = {
    "systems": _systems,
    "workloads": _workloads,
    "environments": _environments,
    "nemeses": _nemeses,
    "bugs": _bugs,
    "checkers": _checkers,
}

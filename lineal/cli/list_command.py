"""`lineal list`: what there is, by name; all of it, a section, or one name whole."""

from __future__ import annotations

import argparse
import difflib
from typing import TYPE_CHECKING, Any, Final

from lineal.cli.list_pages import index, section_page, system_page
from lineal.registry import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES: Final = """\
examples:
  lineal list                     what there is, by name
  lineal list nemeses             a section: what each does, its variants, where it works
  lineal list dynamo              a system whole: options with defaults, bugs, promises
  lineal list cart                a workload with its options
  lineal list forget-hints        a bug: what it breaks, who finds it, under which faults
  lineal list mypackage.mysystem:SYSTEM
                                  a system of your own
  lineal list dynamo --json       the same for a program

sections: systems, workloads, environments, nemeses, nemesis-options, targets, bugs, models,
checkers, claims, findings
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "list",
        help="what there is: systems, workloads, nemeses, bugs, models, checkers, findings",
        description="What has a name: every name, or a section, or all about one name.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a section or any name (default: all names)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(command=main)


def main(args: argparse.Namespace) -> int:
    """Print everything that has a name, or what was asked for."""
    import msgspec

    asked = select(args.names)
    if args.json:
        print(msgspec.json.encode(asked, order="sorted").decode())
        return 0
    pages = [index(asked)] if not args.names else _pages(asked, args.names)
    print("\n\n".join("\n".join(page) for page in pages))
    return 0


def select(names: list[str]) -> dict[str, Any]:
    """Section -> name -> what there is to know, of these sections and names; without any of all.

    Raises UsageProblem for a name that nothing has.
    """
    from lineal.cli import catalogue

    if not names:
        return catalogue.everything()
    if all(name in catalogue.SECTIONS for name in names):
        return {name: catalogue.of_section(name) for name in names}
    found = catalogue.everything()
    problems = []
    asked: dict[str, Any] = {}
    for name in names:
        plain = name.partition("@")[0].partition(":")[0]
        if name in found:
            entries = {name: found[name]}
        elif plain != name and plain in found["nemeses"]:  # As `partition:one-node@leader`.
            entries = {"nemeses": {plain: found["nemeses"][plain]}}
        elif ":" in name:
            entries = {"systems": {name: catalogue.of_system(name)}}
        else:
            entries = _named(found, name)
        for section, entry in entries.items():
            asked[section] = {**asked.get(section, {}), **entry}
        if not entries:
            problems.append(_unknown(name, found))
    if problems:
        raise UsageProblem(problems)
    return asked


def _named(found: dict[str, Any], name: str) -> dict[str, Any]:
    """Whatever has this name, in whichever sections; a bug under its system."""
    entries = {section: {name: named[name]} for section, named in found.items() if name in named}
    if "systems" in entries:  # It tells its bugs itself.
        return {"systems": entries["systems"]}
    of = {system: {name: bugs[name]} for system, bugs in found["bugs"].items() if name in bugs}
    return {**entries, "bugs": of} if of else entries


def _unknown(name: str, found: dict[str, Any]) -> str:
    every = {word for named in found.values() for word in named}
    every.update(found, *found["bugs"].values())
    close = difflib.get_close_matches(name, sorted(every), n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "`lineal list` shows all names."
    return f"nothing is called {name!r}; {hint} Sections are: {', '.join(found)}"


def _pages(asked: dict[str, Any], names: list[str]) -> Iterator[Iterator[str]]:
    """A page for each system that was asked for, and one for each section."""
    for section, named in asked.items():
        if section == "systems" and "systems" not in names:
            for name, about in named.items():
                yield system_page(name, about)
        else:
            yield section_page(section, named)

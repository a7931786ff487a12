"""The page on the store is true: its session replays, and it leaves nothing out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

from systems_under_test.dynamo.balance import table
from systems_under_test.dynamo.bugs import BUGS
from systems_under_test.dynamo.configuration import CHOICES, OPTIONS, PARSERS, SWITCHES
from tests.systems_under_test.dynamo.driving import Drive
from workloads.client import Request

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/systems/dynamo.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "systems_under_test/dynamo"


def session() -> list[tuple[list[str], str]]:
    """(words of a curl command, line that it prints), in order."""
    blocks = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [
        (shlex.split(line.removeprefix("$ ")), printed)
        for line, printed in zip(lines[::2], lines[1::2], strict=True)
    ]


def test_the_session_prints_what_the_page_shows() -> None:
    drive = Drive(nodes=("n1", "n2", "n3"))
    assert len(session()) == 8
    for words, printed in session():
        method, body, headers, url = "GET", b"", {}, urlsplit("")
        arguments = iter(words[1:])
        for word in arguments:
            match word:
                case "-X":
                    method = next(arguments)
                case "-d":
                    body = next(arguments).encode()
                case "-H":
                    name, _, value = next(arguments).partition(": ")
                    headers[name] = value
                case _:
                    url = urlsplit(word)
        assert url.port is not None
        reply = drive.ask(f"n{url.port - 8000}", Request(method, url.path, headers, body))
        drive.wait(100)
        assert reply.body.decode() == printed + "\n"


def test_every_module_is_named() -> None:
    modules = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}
    inner = {"deadlines.py", "node.py", "step.py"}
    assert set(re.findall(r"`(\w+\.py)`", PAGE)) == modules - inner


def test_every_option_stands_there_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| .* \| (\S.*?) \|$", PAGE, re.MULTILINE))
    for name, option in OPTIONS.items():
        shown = rows[name.replace("_", "-")].strip("`")
        if name in SWITCHES:
            assert shown == ("on" if option.default else "off")
        elif name in PARSERS:
            assert shown == "none"
        elif shown.endswith(" MiB"):
            assert int(shown.removesuffix(" MiB")) << 20 == option.default
        else:
            assert shown == str(option.default)
    for words in CHOICES.values():
        assert all(f"`{word}`" in PAGE for word in words)


def test_every_bug_stands_there_with_the_faults_that_expose_it() -> None:
    for name, bug in BUGS.items():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", PAGE, re.MULTILINE)
        assert bug.finding in row
        assert bug.faults in row


def test_the_table_of_the_ring_is_what_the_command_prints() -> None:
    assert "\n".join(table()) + "\n" in PAGE

from __future__ import annotations

import io
import re
from typing import Any

from systems_under_test.host.clock import NodeClock
from systems_under_test.host.log import NodeLog
from systems_under_test.replica import Now

NOW = Now(wall=1_700_000_000_000_000_009, mono=61_000_000_007)


def test_a_line_has_both_clocks_the_life_and_readable_fields() -> None:
    out = io.StringIO()
    log = NodeLog(out, node="n1", clock=NodeClock())
    log.incarnated(3)
    fields = {"key": b"caf\xc3\xa9", "raw": b"\xff", "seen": [None, (1, b"x")], "in": {b"a": True}}
    log.write("put", fields, NOW)
    assert out.getvalue() == (
        "2023-11-14T22:13:20.000000009Z mono=61.000000007 n1/3 put "
        'key="café" raw="\\\\xff" seen=[null,[1,"x"]] in={"a":true}\n'
    )


def test_one_thing_said_is_one_line_whatever_it_holds() -> None:
    out = io.StringIO()
    log = NodeLog(out, node="n1", clock=NodeClock())
    log.say("odd\nevent", text="two\nlines", thing=object(), long="x" * 10_000)
    assert out.getvalue().count("\n") == 1
    assert len(out.getvalue()) < 5_000
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z mono=\d+\.\d{9} n1/- odd", out.getvalue())


def test_a_full_disk_loses_lines_and_not_the_node() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    log = NodeLog(Full(), node="n1", clock=NodeClock())
    log.say("unheard")
    assert log.lines_lost == 1


def test_surrogates_and_other_foreign_values_do_no_harm() -> None:
    out = io.StringIO()
    value: Any = {"x": "\ud800"}
    NodeLog(out, node="n1", clock=NodeClock()).say("odd", value=value)
    assert out.getvalue().count("\n") == 1

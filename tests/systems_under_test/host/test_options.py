from __future__ import annotations

import shlex

import pytest

from systems_under_test.host.clock import ClockSetting
from systems_under_test.host.options import parse_options

ONE = ["--node", "n1", "--nodes", "n1", "--replica", "m:f", "--directory", "d"]


def test_reads_a_node_of_three() -> None:
    options = parse_options(
        shlex.split(
            "--node n2 --nodes n1,n2,n3 --replica m:f --directory d --client 127.0.0.1:1 "
            "--listen 127.0.0.1:2 --peer n3=127.0.0.1:3 --peer n1=h:4 --engine memory --seed 7 "
            "--clock 1,-2,3 --bug b"
        )
    )
    assert options.nodes == ("n1", "n2", "n3")
    assert options.peers == {"n3": ("127.0.0.1", 3), "n1": ("h", 4)}
    assert (options.client, options.listen) == (("127.0.0.1", 1), ("127.0.0.1", 2))
    assert options.clock == ClockSetting(since_ns=1, wall_offset_ns=-2, rate_ppm=3)
    assert (options.engine, options.seed, options.bug) == ("memory", 7, "b")


def test_options_are_json_where_they_can_be_and_text_otherwise() -> None:
    given = ["--options", '{"a": [1], "b": 1}', "--option", "b=2", "--option", "c=x=y"]
    assert parse_options([*ONE, *given]).options == {"a": [1], "b": 2, "c": "x=y"}


def test_all_problems_are_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(
        "--node n9 --nodes n1,n2,n2 --replica m:f --directory d --client nowhere "
        "--peer n3=1:x --peer n3=1:2 --peer n4 --options [1] --clock soon"
    )
    with pytest.raises(SystemExit) as ended:
        parse_options(words)
    assert ended.value.code == 64
    said = capsys.readouterr().err
    for problem in (
        "n9 is not among",
        "each name once",
        "--client nowhere",
        "--peer n3 is given twice",
        "--peer n4: it has the form",
        "--options is not a JSON object",
        "--clock soon",
        "--peer must be given once for each of n1, n2",
    ):
        assert problem in said


def test_a_missing_argument_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_options(["--node", "n1"])
    assert ended.value.code == 64
    assert "--replica" in capsys.readouterr().err

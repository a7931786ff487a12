"""Formats are recognized by content, and what they say becomes our events."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from checker.history.importers.formats import from_bytes, read, recognized
from checker.history.importers.reading import Reading, reading_for
from checker.history.problems import MalformedHistory

if TYPE_CHECKING:
    from pathlib import Path

    from checker.history.columns import History
    from checker.history.importers.reading import Format


def edn(*events: str, reading: Reading = Reading()) -> History:  # noqa: B008
    """A history of operations `0 invoke write 1`, one after another."""
    lines = []
    for event in events:
        process, type, f, value = event.split(" ", 3)
        lines.append(f"{{:process {process}, :type :{type}, :f :{f}, :value {value}}}")
    return from_bytes("\n".join(lines).encode(), "edn", reading=reading).history


def problems(data: str, format: Format = "edn", *, reading: Reading = Reading()) -> list[str]:  # noqa: B008
    with pytest.raises(MalformedHistory) as refused:
        from_bytes(data.encode(), format, reading=reading)
    return [str(problem) for problem in refused.value.problems]


def told(history: History) -> list[tuple[str, Any, Any, Any, str]]:
    return [(op.f, op.key, op.input, op.output, op.outcome) for op in history]


@pytest.mark.parametrize(
    ("head", "format"),
    [
        (b"", "json-lines"),
        (b" \n\n", "json-lines"),
        (b'{"index":0}', "json-lines"),
        (b' { "index":0}', "json-lines"),
        (b'[{"index":0}]', "json-lines"),
        (b"{:process 0}", "edn"),
        (b"; a comment\n\n[{:process 0}", "edn"),
        (b"({:type :invoke}", "edn"),
        (b"#jepsen.history.Op{:index 0}", "edn"),
        (b"#_ {} {:f :read}", "edn"),
        (b"[]", "edn"),
        (b"INFO  jepsen.util - 0\t:invoke\t:read\tnil\n", "log"),
        (b"starting\nINFO [x] jepsen worker 0 - jepsen.util 3  :ok  :read [0 1]", "log"),
        (b"[1] INFO  jepsen.util - :nemesis\t:info\t:start\tnil", "log"),
        (b'{:f :read, :error "jepsen.util - 0 :ok"}', "edn"),
        (b"index,time\n0,1", None),
        (b"\x00\x01", None),
        (b"INFO jepsen.util - waiting for nodes", None),
    ],
)
def test_formats_are_recognized_by_content(head: bytes, format: str | None) -> None:
    assert recognized(head) == format


def test_what_is_not_recognized_is_refused_with_what_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "history.edn"
    path.write_text("index,time\n", encoding="utf-8")
    with pytest.raises(MalformedHistory, match="neither JSON Lines, nor Jepsen's EDN"):
        read(path)


def test_json_lines_are_read_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "history.edn"
    path.write_text('{"index":0,"time":5,"process":0,"type":"invoke","f":"read"}\n')
    imported = read(path)
    assert (imported.format, imported.notes, len(imported.history)) == ("json-lines", {}, 1)


def test_a_register_is_written_read_and_swapped() -> None:
    history = edn(
        *("0 invoke write 1", "0 ok write 1", "0 invoke read nil", "0 ok read 1"),
        *("0 invoke cas [1 2]", "0 ok cas [1 2]", "0 invoke cas [1 2]", "0 fail cas [1 2]"),
        *("0 invoke write 3", "0 info write :timed-out"),
    )
    assert told(history) == [
        ("write", None, 1, None, "ok"),
        ("read", None, None, 1, "ok"),
        ("cas", None, [1, 2], True, "ok"),
        ("cas", None, [1, 2], None, "fail"),
        ("write", None, 3, None, "info"),
    ]
    assert history[4].error == "timed-out"


def test_a_failed_cas_can_be_an_observation_but_not_if_it_went_wrong_otherwise() -> None:
    events = ["0 invoke cas [1 2]", "0 fail cas [1 2]", "0 invoke cas [1 2]", "0 fail cas :refused"]
    history = edn(*events, reading=Reading(failed_cas="observe"))
    assert [(op.output, op.outcome) for op in history] == [(False, "ok"), (None, "fail")]
    with_error = b"{:process 0 :type :invoke :f :cas :value [1 2]}"
    with_error += b"{:process 0 :type :fail :f :cas :value [1 2] :error :refused}"
    imported = from_bytes(with_error, "edn", reading=Reading(failed_cas="observe"))
    assert [op.outcome for op in imported.history] == ["fail"]


def test_logs_observe_a_failed_cas_by_themselves() -> None:
    log = (
        b"INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]\nINFO  jepsen.util - 0\t:fail\t:cas\t[1 2]\n"
    )
    assert [op.output for op in from_bytes(log, "log").history] == [False]
    dropped = from_bytes(log, "log", reading=Reading(failed_cas="drop"))
    assert [op.outcome for op in dropped.history] == ["fail"]
    assert dropped.notes["failed_cas_dropped"] == 1


def test_a_register_that_starts_somewhere_never_held_nil() -> None:
    events = ["0 invoke read nil", "0 ok read nil"]
    observed = edn(*events, reading=reading_for("cas-register", None))
    dropped = edn(*events, reading=reading_for("cas-register", 0))
    assert [op.outcome for op in observed] == ["ok"]
    assert [op.outcome for op in dropped] == ["fail"]
    asked = reading_for("cas-register", 0, nil_reads="observe")
    assert [op.outcome for op in edn(*events, reading=asked)] == ["ok"]


def test_transactions_take_the_short_names() -> None:
    history = edn(
        "0 invoke txn [[:read :x nil] [:write :y 2]]", "0 ok txn [[:read :x 1] [:write :y 2]]"
    )
    assert history[0].input == [["r", "x", None], ["w", "y", 2]]
    assert history[0].output == [["r", "x", 1], ["w", "y", 2]]


def test_an_unknown_read_of_a_transaction_is_left_out_of_both_sides() -> None:
    reading = reading_for("multi-register", {"x": 0})
    history = edn(
        "0 invoke txn [[:r :x nil] [:w :y 2]]", "0 ok txn [[:r :x nil] [:w :y 2]]", reading=reading
    )
    assert history[0].input == history[0].output == [["w", "y", 2]]


def test_maps_are_transactions_of_a_multi_register() -> None:
    events = ["0 invoke write {:x 1, :y 2}", "0 ok write {:x 1, :y 2}"]
    events += ["0 invoke read nil", "0 ok read {:y 2, :x 1}"]
    history = edn(*events, reading=reading_for("multi-register", None))
    assert [op.f for op in history] == ["txn", "txn"]
    assert history[0].input == [["w", "x", 1], ["w", "y", 2]] == history[0].output
    assert history[1].input == [["r", "x", None], ["r", "y", None]]
    assert history[1].output == [["r", "x", 1], ["r", "y", 2]]
    assert edn(*events)[0].input == {"x": 1, "y": 2}


def test_tuples_of_key_and_value_are_seen_by_the_reads() -> None:
    events = [
        "0 invoke write [7 1]",
        "0 ok write [7 1]",
        "1 invoke read [7 nil]",
        "1 ok read [7 1]",
    ]
    assert [(op.key, op.input, op.output) for op in edn(*events)] == [(7, 1, None), (7, None, 1)]
    plain = edn(*events[:2])
    assert (plain[0].key, plain[0].input) == (None, [7, 1])
    asked = edn(*events[:2], reading=Reading(independent=True))
    assert (asked[0].key, asked[0].input) == (7, 1)


@pytest.mark.parametrize(
    "tuple_", ["#jepsen.independent.Tuple[7 1]", "#clojure.lang.MapEntry [7 1]", "#MapEntry(7 1)"]
)
def test_tagged_tuples_are_tuples(tuple_: str) -> None:
    history = edn(f"0 invoke write {tuple_}", "0 ok write [7 1]")
    assert (history[0].key, history[0].input) == (7, 1)


def test_a_swap_of_two_values_is_no_tuple() -> None:
    history = edn("0 invoke cas [0 1]", "0 ok cas [0 1]")
    assert (history[0].key, history[0].input) == (None, [0, 1])
    history = edn("0 invoke cas [7 [0 1]]", "0 ok cas [7 [0 1]]")
    assert (history[0].key, history[0].input) == (7, [0, 1])
    transaction = "[[:r :x nil] [:w :y 1]]"
    history = edn(f"0 invoke txn {transaction}", "0 info txn nil")
    assert history[0].key is None


def test_the_key_value_logs_of_porcupine_hold_empty_strings_for_absent_keys() -> None:
    data = b"""{:process 0, :type :invoke, :f :get, :key "7", :value nil}
{:process 0, :type :ok, :f :get, :key "7", :value ""}
{:process 0, :type :invoke, :f :append, :key "7", :value "x 0 0 y"}
{:process 0, :type :ok, :f :append, :key "7", :value "x 0 0 y"}
{:process 0, :type :invoke, :f :put, :key "7", :value ""}
{:process 0, :type :ok, :f :put, :key "7", :value ""}
"""
    history = from_bytes(data, "edn").history
    assert told(history) == [
        ("get", "7", None, None, "ok"),
        ("append", "7", "x 0 0 y", None, "ok"),
        ("put", "7", None, None, "ok"),
    ]
    as_written = from_bytes(data, "edn", reading=reading_for("kv", {"7": ""})).history
    assert as_written[0].output == as_written[2].input == ""
    nil = data + b'{:process 0, :type :invoke, :f :get, :key "8", :value nil}'
    nil += b'{:process 0, :type :ok, :f :get, :key "8", :value nil}'
    assert from_bytes(nil, "edn").history[0].output == ""


def test_stamps_are_those_written_or_else_the_order_of_the_lines() -> None:
    stamped = b"{:process 0 :type :invoke :f :read :time 70 :index 4}\n"
    stamped += b"{:process :nemesis :type :info :f :start :value nil :time 75 :index 5}\n"
    stamped += b"{:process 0 :type :ok :f :read :value 1 :time 90 :index 9}\n"
    imported = from_bytes(stamped, "edn")
    assert imported.notes["by_time"]
    assert [(event.time, event.index) for event in imported.history.events()] == [
        *((70, 4), (75, 5), (90, 9)),
    ]
    one_missing = stamped.replace(b" :time 90", b"")
    history = from_bytes(one_missing, "edn").history
    assert [event.time for event in history.events()] == [0, 1, 2]
    other_order = b"{:process 1 :type :invoke :f :read :time 60 :index 10}" + stamped
    with pytest.raises(MalformedHistory, match="index"):
        from_bytes(other_order, "edn")


def test_what_the_nemesis_did_and_fields_that_nobody_knows_are_kept() -> None:
    data = b"""[{:process :nemesis, :type :info, :f :start, :value {:n1 #{:n2 :n3}}}
 {:process 3, :type :invoke, :f :read, :clock-offset 1/2, :output 5}]"""
    start, invoked = from_bytes(data, "edn").history.events()
    assert (start.process, start.f, start.output) == ("nemesis", "start", {"n1": ["n2", "n3"]})
    assert invoked.extra == {"clock-offset": "1/2", "jepsen/output": 5}


def test_a_process_never_returns_from_info() -> None:
    text = "0 invoke write 1\n0 info write 1\n0 invoke read nil"
    lines = [line.split(" ", 3) for line in text.split("\n")]
    data = "\n".join(f"{{:process {p} :type :{t} :f :{f} :value {v}}}" for p, t, f, v in lines)
    [problem] = problems(data)
    assert problem.startswith("line 3: process 0 goes on after its operation ended in info")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("{:process 0 :type :invoke :f :cas :value 1}", "line 1: the value of a cas is 1: write"),
        ("\n{:process 0 :type :invoke :f :txn :value [1]}", "line 2: the value of a txn is [1]"),
        ("{:process 0 :type :invoke :f :txn :value nil}", "line 1: the value of a txn is null"),
        ("{:process 0 :type :go :f :read}", 'line 1: the type is "go"'),
        ("{:process :n1 :type :invoke :f :read}", "line 1: the field process is not an integer"),
        ("{:type :invoke :f :read}", "line 1: the field process is missing"),
        ('{:process 0 :type :invoke :f :read :time "x"}', "the field time is not an integer"),
        ("{:process 0 :type :ok :f :read :time 1.5}", "the field time is not an integer"),
        ('{:process 0 :type :invoke :f :read :index "x"}', "the field index is not an integer"),
        ("{:process 0 :type :invoke :f :read :index 1.0}", "the field index is not an integer"),
        ("{:process 0 :type :invoke :f :read :node 5}", "line 1: the field node is not a string"),
        ("{:process 0 :type :invoke :f :read :node [1]}", "the field node is not a string"),
        ("{:process 0 :type :invoke :f 5}", "line 1: the field f is not a string"),
        ("[\n5]", "line 2: not an event: a map with :process"),
        ("{:process 0 :type :invoke :f :read", "line 1: the last line is half-written"),
        ("[{:process 0 :type :invoke :f :read}\n", "line 2: the last line is half-written"),
        ("{:process 0 :type :invoke :f #<Object>}", "line 1, column 30: not EDN: this is not how"),
        ("{:process 0)", "line 1, column 12: not EDN: a value belongs here, not ')'"),
        ("{:process 01}", "line 1, column 11: not EDN: 01 is no number"),
        ("{:process}", "line 1, column 10: not EDN: a map has a key without a value"),
        ("{:a #{1 1}}", "not EDN: a set holds an element twice"),
        ("{:f 1 :f 2}", 'line 1, column 7: the object names "f" twice'),
        ('{:f "\\ud800"}', "half of a surrogate pair"),
        ("{:f " + "[" * 200, "values are nested deeper than 128"),
        ("{:f 1e999}", "1e999 is no JSON number"),
    ],
)
def test_errors_name_the_line_and_say_what_to_do(data: str, said: str) -> None:
    assert said in problems(data)[0]


def test_answers_that_are_not_what_was_asked_are_named_where_they_stand() -> None:
    ask = "{:process 0 :type :invoke :f :write :value 1}\n"
    [problem] = problems(ask + "{:process 0 :type :ok :f :write :value 2}")
    assert problem.startswith("line 2: the completion's value 2 is not that of its invocation")
    generated = ask.replace(":value 1", ":value nil") + "{:process 0 :type :ok :f :write :value 2}"
    assert from_bytes(generated.encode(), "edn").history[0].input == 2
    [problem] = problems(
        "{:process 0 :type :invoke :f :write :value 1}", reading=Reading(independent=True)
    )
    assert problem.startswith("line 1: the value is 1, but the values of other lines are tuples")
    [problem] = problems(
        "{:process 0 :type :invoke :f :write :value 1}", reading=Reading(maps_are_txns=True)
    )
    assert "a multi-register is read and written by maps from register to value" in problem


def test_a_half_written_end_is_left_out_when_asked() -> None:
    whole = "[{:process 0 :type :invoke :f :read}\n"
    for end in ("{:process 0 :ty", '{:process 0 :type :ok :f :read :value "a', ""):
        imported = from_bytes((whole + end).encode(), "edn", drop_partial_line=True)
        assert (len(imported.history), imported.history.dropped_line) == (1, 2)
    log = "INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]\nINFO  jepsen.util - 0\t:ok\t:cas\t[1 "
    assert problems(log, "log")[0].startswith("line 2: the last line is half-written")
    imported = from_bytes(log.encode(), "log", drop_partial_line=True)
    assert imported.history.dropped_line == 2


def test_lines_of_a_log_that_cannot_be_read_are_named() -> None:
    log = "INFO  jepsen.util - 0\t:invoke\t:read\n INFO  jepsen.util - 0\t:ok\t:read\t1 2 3\n"
    said = problems(log, "log")
    assert said[0].startswith("line 1")
    assert "the line ends within a value" in said[0]
    assert said[1].startswith("line 2")
    assert "process, type, f, value, error" in said[1]


EDN_LINE = b"{:process 0, :type :invoke, :f :read}\n"
JSON_LINE = b'{"index":0,"time":0,"process":0,"type":"invoke","f":"read"}\n'


@pytest.mark.parametrize("text", [EDN_LINE, JSON_LINE])
def test_a_file_packed_by_gzip_is_read(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "history"
    path.write_bytes(gzip.compress(text))
    assert len(read(path).history) == 1


PACKED = gzip.compress(b"".join(b"%d" % n**9 for n in range(1_000)))


@pytest.mark.parametrize(
    "broken",
    [PACKED[:12], PACKED[:-1], PACKED[:100] + b"\xff" * 99 + PACKED[199:], PACKED[:2]],
    ids=["head", "end", "middle", "two-bytes"],
)
def test_a_broken_gzip_is_told(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "history.gz"
    path.write_bytes(broken)
    with pytest.raises(MalformedHistory, match="packed by gzip and broken"):
        read(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_told(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "history.edn"
    path.write_text(EDN_LINE.decode(), encoding=encoding)
    with pytest.raises(MalformedHistory, match="byte order mark: save it as UTF-8 without"):
        read(path)

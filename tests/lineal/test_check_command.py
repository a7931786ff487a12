"""`lineal check`: histories of any format, each judged by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from checker.models.model import Action, Inconsistent
from lineal.cli import exit_status
from lineal.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

EDN = """\
; a register that starts at 0
{:process 0, :type :invoke, :f :read, :value nil, :time 1, :index 0}
{:process 0, :type :ok, :f :read, :value 0, :time 2, :index 1}
{:process 0, :type :invoke, :f :cas, :value [0 3], :time 3, :index 2}
{:process 0, :type :ok, :f :cas, :value [0 3], :time 4, :index 3}
{:process 1, :type :invoke, :f :cas, :value [3 4], :time 5, :index 4}
{:process 1, :type :fail, :f :cas, :value [3 4], :time 6, :index 5}
"""
JSON_LINES = (
    '{"index":0,"time":0,"process":0,"type":"invoke","f":"write","input":1}\n'
    '{"index":1,"time":5,"process":0,"type":"ok","f":"write"}\n'
    '{"index":2,"time":6,"process":0,"type":"invoke","f":"read"}\n'
    '{"index":3,"time":9,"process":0,"type":"ok","f":"read","output":1}\n'
)
LOG = "INFO  jepsen.util - 0\t:invoke\t:read\tnil\nINFO  jepsen.util - 0\t:ok\t:read\t5\n"
FIELDS = {
    *("file", "verdict", "cause", "model", "algorithm", "operations", "parse_s", "check_s"),
    *("peak_mb", "findings", "format", "read", "hint", "partition"),
}
OURS = ("checker", "workloads", "systems_under_test", "nemesis", "reports", "lineal")


@dataclass(frozen=True, slots=True)
class Last:
    """A register that starts at any value and knows only writes."""

    value: Any = None

    def step(self, op: Action) -> Last | Inconsistent:
        if op.f == "read":
            return self if op.output == self.value else Inconsistent("no")
        raise ZeroDivisionError(op.f)


@dataclass(frozen=True, slots=True)
class Forgetful:
    """Holds that nothing it does has an effect, and is wrong."""

    value: Any = None
    pure: ClassVar = frozenset({"read", "cas"})

    def step(self, op: Action) -> Forgetful:
        return self if op.f == "read" else Forgetful(op.input[1])


def lineal(*words: object) -> int:
    try:
        return main(["check", *map(str, words)])
    except SystemExit as leaving:
        return int(str(leaving.code))


def entries(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def edn(tmp_path: Path) -> Path:
    path = tmp_path / "history.edn"
    path.write_text(EDN, encoding="utf-8")
    return path


def test_jepsen_histories_are_judged_as_they_are(
    edn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lineal(edn, "--model", "cas-register", "--initial", 0) == exit_status.VALID
    said = capsys.readouterr().out
    assert "history.edn: valid, 3 operations" in said
    assert "read as edn: stamps as written, 1 failed compare-and-sets dropped" in said
    assert lineal(edn, "--model", "cas-register") == exit_status.INVALID
    said = capsys.readouterr().out
    assert "nobody had written what it saw" in said
    assert "if the object did not start as the model does, give its value by --initial" in said


def test_names_of_initial_values_that_are_no_strings_are_given_as_pairs(
    edn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = ('"type":"invoke","f":"get"', '"type":"ok","f":"get","output":0')
    lines = [f'{{"index":{n},"time":{n},"process":0,"key":7,{e}}}' for n, e in enumerate(events)]
    edn.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert lineal(edn, "--model", "kv", "--initial", '{"7": 0}', "--json") == exit_status.USAGE
    [entry] = entries(capsys)
    assert entry["verdict"] == "unfit"
    assert 'under "7", which no operation touches; the history has 7' in entry["cause"]
    assert "give pairs, as [[7, 0]]" in entry["cause"]
    assert lineal(edn, "--model", "kv", "--initial", '{"8": 0}') == exit_status.INVALID
    assert "give pairs: [[7, 0]]" in capsys.readouterr().out
    assert lineal(edn, "--model", "kv", "--initial", "[[7, 0]]") == exit_status.VALID


def test_a_failed_compare_and_set_is_read_as_asked(edn: Path) -> None:
    words = [edn, "--model", "cas-register", "--initial", 0, "--failed-cas"]
    assert lineal(*words, "drop") == exit_status.VALID
    assert lineal(*words, "observe") == exit_status.INVALID


def test_the_search_can_be_told_to_try_everything(
    edn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lineal(edn, "--model", "cas-register", "--initial", 0, "--no-prune") == 0
    assert lineal(edn, "--model", "cas-register", "--no-prune") == exit_status.INVALID
    assert lineal(edn, "--checker", "recovery", "--no-prune") == exit_status.USAGE
    assert "--no-prune" in capsys.readouterr().err


def test_an_algorithm_can_be_asked_for(edn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [edn, "--model", "cas-register", "--initial", 0, "--json", "--algorithm"]
    for algorithm in ("replay", "frontier", "zones"):
        assert lineal(*words, algorithm) == exit_status.VALID
    assert [entry["algorithm"] for entry in entries(capsys)] == ["replay", "frontier", "zones"]
    assert lineal(*words, "queue") == exit_status.USAGE
    [entry] = entries(capsys)
    assert entry["verdict"] == "inapplicable"
    assert entry["cause"] == (
        "queue does not apply: the model is no queue, first in first out;"
        " without --algorithm the first that applies is taken"
    )


def test_one_wrong_key_is_enough_unless_all_are_asked_for(
    edn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        f'{{"index":{2 * n + k},"time":{2 * n + k},"process":0,"type":"{kind}","f":"read","key":{n}'
        f"{answer}}}\n"
        for n in range(40)
        for k, kind, answer in [(0, "invoke", ""), (1, "ok", ',"output":1')]
    ]
    edn.write_text("".join(lines), encoding="utf-8")
    words = [edn, "--model", "register", "--algorithm", "frontier", "--json"]
    every = ["--all-keys"]
    cases: list[tuple[list[object], int]] = [
        ([], 1),
        ([*every], 20),
        (["--workers", 2, *every], 20),
    ]
    for more, count in cases:
        assert lineal(*words, *more) == exit_status.INVALID
        [entry] = entries(capsys)
        assert len(entry["findings"]) == count


def test_a_budget_in_steps_is_spent(edn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f'"process":{n},"type":"invoke","f":"add","input":{2**n}' for n in range(30)]
    lines += ['"process":30,"type":"invoke","f":"read"']
    lines += [f'"process":30,"type":"ok","f":"read","output":{2**30}']
    numbered = (f'{{"index":{n},"time":{n},{line}}}\n' for n, line in enumerate(lines))
    edn.write_text("".join(numbered), encoding="utf-8")
    assert (
        lineal(edn, "--model", "counter", "--algorithm", "frontier", "--step-budget", 1000)
        == exit_status.UNKNOWN
    )
    assert "ran out of steps at operation 30: 0 of 1 returns passed" in capsys.readouterr().out


def test_the_suffix_does_not_matter(edn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("a.log", EDN), ("b.txt", JSON_LINES), ("c.edn", LOG)):
        edn.with_name(name).write_text(text, encoding="utf-8")
    edn.unlink()
    words = [edn.with_name("*"), "--model", "cas-register", "--initial", 0, "--json"]
    assert lineal(*words) == exit_status.INVALID
    found = [(entry["format"], entry["verdict"]) for entry in entries(capsys)]
    assert found == [("edn", "valid"), ("json-lines", "valid"), ("log", "invalid")]


def test_json_has_every_field_for_every_file(edn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edn.with_name("broken.edn").write_text("[{:process 0", encoding="utf-8")
    missing = edn.with_name("missing.edn")
    files = [edn.with_name("*.edn"), missing, edn.parent]
    assert lineal(*files, "--model", "cas-register", "--json") == exit_status.INVALID
    found = entries(capsys)
    assert [entry["verdict"] for entry in found] == ["malformed", "invalid", *["unreadable"] * 2]
    assert all(entry.keys() == FIELDS for entry in found)
    assert all(entry["model"] == "cas-register" and entry["peak_mb"] > 1 for entry in found)
    causes = [entry["cause"] for entry in found]
    assert "line 1: the last line is half-written" in causes[0]
    assert causes[1:3] == [None, f"no such file: {missing}"]
    assert causes[3] is not None
    assert causes[3].startswith(f"{edn.parent} is a directory: name the history in it")
    [finding] = found[1]["findings"]
    assert finding["kind"] == "not-linearizable"
    assert finding["operations"] == [0]


def test_a_file_that_is_not_there_does_not_keep_others_from_being_judged(
    edn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [edn.with_name("no*.edn"), edn, "--model", "cas-register", "--initial", "0"]
    assert lineal(*words) == exit_status.USAGE
    shown = capsys.readouterr()
    assert "no such file" in shown.err
    assert "history.edn: valid" in shown.out


def test_a_file_whose_name_is_a_pattern_is_found(edn: Path) -> None:
    odd = edn.with_name("history[1].edn")
    edn.rename(odd)
    assert lineal(odd, "--model", "cas-register", "--initial", 0) == exit_status.VALID


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "cas-register", "--initial", "{"], "is not JSON: write null, 0"),
        (["--model", "counter", "--initial", '"x"'], "the model counter cannot start at"),
        (["--model", "kv", "--initial", "5"], "the model kv cannot start at 5"),
        (["--checker", "recovery", "--initial", "5"], "--workers and --no-prune are"),
        (["--model", "cas-register", "--failed-cas", "ignore"], "--failed-cas"),
        (["--model", "kv", "--workers", "2", "--step-budget", "9"], "that share seconds alone"),
        (["--model", "kv", "--workers", "2", "--memory-budget", "9"], "that share seconds alone"),
        (["--model", "kv", "--algorithm", "magic"], "zones"),
        (["--model", f"{__name__}:NOTHING", "--initial", "1"], "is a value already"),
        (["--model", "os:sep"], "os:sep is no model: the str has no step"),
        (["--model", "os:path"], "os:path is no model: the module has no step"),
        (["--model", "os:getcwd"], "os:getcwd is no model: the str has no step"),
        (["--model", "kv", "--step-budget", "²"], "'²' is not a whole number above zero"),
        (["--model", "kv", "--step-budget", "9" * 5_000], "is too large a number"),
        (["--model", "kv", "--workers", "257"], "between 1 and 256 processes, not 257"),
    ],
)
def test_wrong_usage_says_what_is_right(
    edn: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lineal(edn, *words) == exit_status.USAGE
    shown = capsys.readouterr()
    assert said in shown.err + shown.out


NOTHING = Last()


def test_a_history_that_the_model_cannot_take_is_unfit_and_says_why(
    edn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lineal(edn, "--model", "queue", "--json") == exit_status.USAGE
    [entry] = entries(capsys)
    assert entry["verdict"] == "unfit"
    assert "operation 0: the model queue cannot take the operation read" in entry["cause"]
    assert "choose another --model" in entry["cause"]
    assert lineal(edn, "--model", "multi-register", "--json") == exit_status.USAGE
    [entry] = entries(capsys)
    assert entry["verdict"] == "unfit"
    assert "a multi-register is read and written by maps" in entry["cause"]


def test_the_directory_of_a_run_is_told_apart(
    edn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edn.with_name("history.jsonl").write_text("", encoding="utf-8")
    assert lineal(edn.parent, "--model", "register") == exit_status.USAGE
    said = capsys.readouterr().err
    assert "unreadable: " in said
    assert "history.jsonl, or judge the run by lineal recheck" in said
    assert "malformed" not in said


def test_a_model_of_ones_own_starts_where_it_is_told(
    edn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edn.write_text("\n".join(EDN.splitlines()[:3]), encoding="utf-8")
    assert lineal(edn, "--model", f"{__name__}:Last", "--initial", 0) == exit_status.VALID
    assert lineal(edn, "--model", f"{__name__}:NOTHING") == exit_status.INVALID
    edn.write_text(EDN, encoding="utf-8")
    capsys.readouterr()
    assert lineal(edn, "--model", f"{__name__}:Last", "--initial", 0) == exit_status.UNKNOWN
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_a_model_that_declares_what_it_does_not_keep_is_an_error(
    edn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lineal(edn, "--model", f"{__name__}:Forgetful", "--initial", 0) == exit_status.USAGE
    assert "pure" in capsys.readouterr().err


def test_a_partition_is_verified_when_asked(edn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edn.write_text(
        "{:process 0 :type :invoke :f :put :value 1 :key 7}{:process 0 :type :ok :f :put :key 7}"
        "{:process 0 :type :invoke :f :get :key 8}{:process 0 :type :ok :f :get :key 8 :value nil}",
        encoding="utf-8",
    )
    assert lineal(edn, "--model", "kv", "--verify-partition", "--json") == exit_status.VALID
    [entry] = entries(capsys)
    assert entry["partition"]["steps"] > 0
    assert lineal(edn, "--model", "kv", "--verify-partition") == exit_status.VALID
    assert "  partition: alike in" in capsys.readouterr().out
    assert lineal(edn, "--model", "register", "--verify-partition") == exit_status.USAGE


def test_independent_keys_are_decided_by_the_values_or_by_the_user(edn: Path) -> None:
    edn.write_text(
        "{:process 0 :type :invoke :f :write :value [1 5]}{:process 0 :type :ok :f :write}"
        "{:process 0 :type :invoke :f :read :value [2 nil]}"
        "{:process 0 :type :ok :f :read :value [2 nil]}",
        encoding="utf-8",
    )
    assert lineal(edn, "--model", "register") == exit_status.INVALID
    edn.write_text(edn.read_text().replace(":ok :f :write", ":ok :f :write :value [1 5]"))
    assert lineal(edn, "--model", "register") == exit_status.VALID
    assert lineal(edn, "--model", "register", "--independent", "no") == exit_status.INVALID


@pytest.mark.parametrize("text", [EDN, JSON_LINES], ids=["edn", "json-lines"])
def test_a_check_loads_few_modules(tmp_path: Path, text: str) -> None:
    path = tmp_path / "history"
    path.write_text(text, encoding="utf-8")
    script = (
        "import sys; before = set(sys.modules)\n"
        "from lineal.cli.main import main\n"
        f"main(['check', {str(path)!r}, '--model', 'cas-register'])\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = done.stdout.splitlines()[-1].split()
    ours = [name for name in loaded if name.partition(".")[0] in OURS]
    # Packages are looked at for being hidden by the user's files, but nothing inside the others.
    inside = {name.partition(".")[0] for name in ours if "." in name}
    assert inside == {"checker", "lineal"}
    twins = {"checker.history.twin", "checker.history.importers.twin"}
    assert twins.isdisjoint(ours)
    assert len(ours) <= 59, "loading takes most of the 150 ms that a small check may take"
    assert len(loaded) <= 210

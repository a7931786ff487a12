"""An initial value that was not meant as it was written accuses nobody."""

from __future__ import annotations

import json
from typing import Any

import pytest

from checker.findings import FINDINGS_MAX
from checker.history.columns import History
from checker.history.notation import parse
from checker.linearizability.checker import check
from checker.models import MODELS
from checker.models.model import UnfitStart


@pytest.mark.parametrize(
    ("model", "initial", "text", "said"),
    [
        (
            "multi-register",
            {"7": 1},
            'p0: txn [["r",7,null]] -> [["r",7,1]]',
            'under "7", which no operation touches; .* has 7',
        ),
        ("register", "0", "p0: read -> 0\np0: write 3 -> ok", 'at "0", but .* reads 0'),
        ("cas-register", 0, 'p0: cas [1,2] -> false\np1: read -> "0"', 'at 0, but .* reads "0"'),
    ],
)
def test_what_differs_in_kind_alone_is_an_error(
    model: str, initial: Any, text: str, said: str
) -> None:
    with pytest.raises(UnfitStart, match=said):
        check(parse(text), MODELS[model](initial))


def got(*keys: Any) -> History:
    """Each of these keys was got, and held 1."""
    lines: list[dict[str, Any]] = []
    for key in keys:
        for ended in ("invoke", "ok"):
            common = {"index": len(lines), "time": len(lines), "process": 0, "f": "get", "key": key}
            lines.append({**common, "type": ended, **({"output": 1} if ended == "ok" else {})})
    return History.from_bytes("".join(json.dumps(line) + "\n" for line in lines).encode())


def test_a_name_that_differs_in_kind_alone_from_a_key_is_an_error() -> None:
    with pytest.raises(UnfitStart, match=r'under "7", which no operation touches; .* has 7'):
        check(got(7), MODELS["kv"]({"7": 1}))
    with pytest.raises(UnfitStart, match=r'under 7, which no operation touches; .* has "7"'):
        check(got("7"), MODELS["kv"]([[7, 1]]))
    assert check(got(7), MODELS["kv"]([[7, 1]])).status == "valid"
    assert check(got(7, "7"), MODELS["kv"]({"7": 1})).status == "invalid"


@pytest.mark.parametrize(
    ("model", "initial", "text"),
    [
        ("kv", {"x": 1}, "p0: get y -> 1"),
        ("register", "0", 'p0: write 0 -> ok\np0: read -> 0\np0: read -> "0"'),
        ("cas-register", "0", "p0: cas [0,1] -> true\np0: read -> 0"),
        ("register", None, "p0: read -> 1"),
        ("counter", 1, "p0: read -> 2"),
        ("register", 5, 'p0: write 1 -> ok\np0: read -> 2\np0: read -> "5"'),
        ("register", 5, 'p0: read -> "5"\np0: write 1 -> ok\np0: read -> 2'),
    ],
)
def test_what_is_wrong_otherwise_is_a_violation(model: str, initial: Any, text: str) -> None:
    start = MODELS[model]() if initial is None else MODELS[model](initial)
    assert check(parse(text), start).status == "invalid"


def kv_history(*steps: tuple[str, Any, Any]) -> History:
    """One process: f, key, and what was put or got."""
    lines: list[dict[str, Any]] = []
    for f, key, value in steps:
        common = {"process": 0, "f": f, "key": key}
        for ended, field in (("invoke", "input"), ("ok", "output")):
            given = {field: value} if (f, ended) in (("put", "invoke"), ("get", "ok")) else {}
            lines.append(
                {**common, "index": len(lines), "time": len(lines), "type": ended, **given}
            )
    return History.from_bytes("".join(json.dumps(line) + "\n" for line in lines).encode())


@pytest.mark.parametrize("all_keys", [False, True])
@pytest.mark.parametrize("order", [1, -1])
def test_a_key_that_is_wrong_from_either_start_is_accused_alone(all_keys: bool, order: int) -> None:
    keys = [[("get", 7, 0)], [("put", 8, 1), ("get", 8, 3)]]
    history = kv_history(*(step for steps in keys[::order] for step in steps))
    verdict = check(history, MODELS["kv"]({"7": 0}), all_keys=all_keys)
    assert verdict.status == "invalid"
    assert [finding.operations[0].key for finding in verdict.findings] == [8]


@pytest.mark.parametrize("model", ["kv", "register"])
def test_the_key_that_is_wrong_is_found_behind_more_than_are_told(model: str) -> None:
    others = range(2 * FINDINGS_MAX)
    if model == "kv":
        steps = [("get", key, 0) for key in others for _ in range(3)]
        history = kv_history(*steps, ("put", 99, 1), ("get", 99, 3))
        start = MODELS["kv"]({str(key): 0 for key in others})
    else:
        lines = [f"p0: read k{key} -> 0" for key in others for _ in range(3)]
        history = parse("\n".join([*lines, "p0: write k99 1 -> ok", "p0: read k99 -> 3"]))
        start = MODELS["register"]("0")
    [finding] = check(history, start).findings
    assert finding.operations[0].key in (99, "k99")


def test_what_is_legal_from_the_start_that_was_given_is_not_accused() -> None:
    history = kv_history(("get", 7, None), ("get", 9, 0))
    with pytest.raises(UnfitStart, match="starts with a value under"):
        check(history, MODELS["kv"]({"7": 0, "9": 0}))


def test_a_key_whose_start_was_given_is_judged_by_it() -> None:
    starts = MODELS["kv"]([[7, 0], ["7", 1]])
    assert check(kv_history(("get", 7, 3)), starts).status == "invalid"
    assert check(kv_history(("get", 7, 1)), starts).status == "invalid"
    assert check(kv_history(("get", 7, 0)), starts).status == "valid"

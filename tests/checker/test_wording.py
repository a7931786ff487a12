from __future__ import annotations

import pytest

from checker.identity import identity
from checker.wording import listed, seconds, sentence, value


@pytest.mark.parametrize(
    ("time_ns", "words"),
    [
        (0, "0 ns"),
        (999_999, "999999 ns"),
        (1_000_000, "0.001 s"),
        (2_314_052_999, "2.314052 s"),
        (60_000_000_000, "60.000 s"),
        (-1_500_000_000, "-1.500 s"),
    ],
)
def test_times_are_seconds_to_the_microsecond(time_ns: int, words: str) -> None:
    assert seconds(time_ns) == words


def test_lists_are_joined_and_cut() -> None:
    assert listed([]) == "nothing"
    assert listed(["a"]) == "a"
    assert listed("abc") == "a, b and c"
    assert listed("abcdefgh") == "a, b, c, d, e and 3 more"


def test_a_sentence_has_a_capital_and_one_full_stop() -> None:
    assert sentence("operation 1 was lost") == "Operation 1 was lost."
    assert sentence("Éric came. He left.") == "Éric came. He left."


def test_long_values_are_cut() -> None:
    assert value("x") == '"x"'
    assert len(value("x" * 500)) == 60


def test_only_equal_json_values_have_equal_identities() -> None:
    values = [1, True, 1.0, "1", None, [1], {"a": 1}, [True]]
    assert len({identity(one) for one in values}) == len(values)
    assert identity({"a": 1, "b": 2}) == identity({"b": 2, "a": 1})

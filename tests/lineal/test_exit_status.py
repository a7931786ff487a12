"""Of several results the worst counts: an unknown never hides a violation."""

from __future__ import annotations

import itertools

import pytest

from lineal.cli.exit_status import FAILED, INVALID, UNKNOWN, USAGE, VALID, worst


def test_the_order_is_invalid_failed_usage_unknown_valid() -> None:
    order = [INVALID, FAILED, USAGE, UNKNOWN, VALID]
    for better, worse in itertools.combinations(reversed(order), 2):
        assert worst([better, worse]) == worse
        assert worst([worse, better, better]) == worse


@pytest.mark.parametrize("statuses", [[], [VALID], [VALID, VALID]])
def test_nothing_bad_is_valid(statuses: list[int]) -> None:
    assert worst(statuses) == VALID

"""The window of a fault holds every operation that may have met it."""

from __future__ import annotations

import pytest

from checker.history.events import Event, FaultWindow
from checker.history.faults import windows
from checker.history.notation import parse


def test_a_window_reaches_from_the_asking_to_the_end_of_the_healing() -> None:
    (window,) = parse(
        """
        nemesis: partition {"targets": ["n1"]} fault=7 @10
        nemesis: -> {"effect": "applied", "method": "proxy", "evidence": {"n1": "cut"}} @20
        nemesis: heal fault=7 @30
        nemesis: -> healed @40
        """
    ).faults
    assert window == FaultWindow(
        fault=7,
        f="partition",
        input={"targets": ["n1"]},
        start=10,
        end=40,
        effect="applied",
        method="proxy",
        evidence={"n1": "cut"},
        seen=20,
        healing=30,
    )


def test_a_fault_that_leaked_or_was_never_healed_has_no_end() -> None:
    history = parse(
        """
        nemesis: pause fault=1 -> applied
        nemesis: kill fault=2 -> applied
        nemesis: heal fault=1 -> leaked
        nemesis: heal fault=2
        """
    )
    assert [window.end for window in history.faults] == [None, None]


def test_a_second_healing_may_end_it_and_a_third_changes_nothing() -> None:
    (window,) = parse(
        """
        nemesis: pause fault=1 -> applied
        nemesis: heal fault=1 -> leaked
        nemesis: heal fault=1 @50 -> healed @60
        nemesis: heal fault=1 -> healed
        """
    ).faults
    assert window.end == 60


def test_overlapping_faults_are_told_apart_by_number_in_order_of_injection() -> None:
    history = parse(
        """
        nemesis: pause fault=5 @10
        nemesis: pause fault=3 @11
        nemesis: -> applied fault=5
        nemesis: -> ineffective fault=3
        nemesis: heal {"fault": 5} -> healed @20
        """
    )
    found = [(window.fault, window.effect, window.end) for window in history.faults]
    assert found == [(5, "applied", 20), (3, "ineffective", None)]


def test_a_healing_names_its_fault_in_its_input_as_well() -> None:
    history = parse('nemesis: pause fault=5\nnemesis: heal {"fault": 5} -> info @9\n')
    assert [window.end for window in history.faults] == [9]


def test_lines_without_a_number_and_healings_of_nothing_make_no_window() -> None:
    history = parse(
        """
        nemesis: start-partition -> applied
        nemesis: heal {"fault": "all"} -> healed
        nemesis: heal fault=9 -> healed
        nemesis: quiescent
        """
    )
    assert history.faults == ()


def test_a_healing_that_saw_no_effect_takes_back_what_the_injection_believed() -> None:
    history = parse(
        """
        nemesis: link fault=1 -> applied
        nemesis: heal fault=1 -> ineffective
        """
    )
    (window,) = history.faults
    assert window.effect == "ineffective"
    assert window.end is not None


def test_a_healing_without_its_fault_is_not_guessed() -> None:
    injected = Event(index=0, time=1, process="nemesis", type="invoke", f="kill", fault=1)
    healed = Event(index=1, time=2, process="nemesis", type="info", f="heal", output="done")
    assert [window.end for window in windows([injected, healed])] == [None]


@pytest.mark.parametrize(
    ("call", "ret", "touched"),
    [
        (1, 9, False),
        (1, 10, True),
        (12, 15, True),
        (20, 30, True),
        (21, 30, False),
        (1, None, True),
    ],
)
def test_a_window_touches_operations_whose_interval_meets_it(
    call: int, ret: int | None, touched: bool
) -> None:
    (window,) = parse("nemesis: kill fault=1 @10\nnemesis: heal fault=1 @15 -> healed @20\n").faults
    answer = "" if ret is None else f" -> ok @{ret}"
    (operation,) = parse(f"p0: read @{call}{answer}")
    assert window.touches(operation) is touched
    open_window = FaultWindow(
        fault=1, f="kill", input=None, start=10, end=None, effect=None, method=None
    )
    assert open_window.touches(operation) is (ret is None or ret >= 10)


def test_a_healing_of_which_nothing_can_be_told_ends_no_fault() -> None:
    history = parse("""
        nemesis: clock fault=1
        nemesis: clock fault=1 -> applied
        nemesis: heal fault=1
        nemesis: heal fault=1 -> uncertain
    """)
    (window,) = history.faults
    assert (window.effect, window.end) == ("applied", None)

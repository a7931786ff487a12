"""Scripts: faults told line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nemesis.families import kill
from nemesis.plans import InvalidPlan, parse
from nemesis.schedule import Timing
from tests.nemesis.rehearsal import SECOND, Rehearsal

if TYPE_CHECKING:
    from pathlib import Path

    from nemesis.plan import FaultPlan

SCRIPT = """\
nemesis: wait 2                          # then a cut
nemesis: partition one-node target=leader
n3: kill
nemesis: partition {"n1": ["n4", "n5"]}
nemesis: wait 1
nemesis: heal kill
nemesis: pause target=one
nemesis: heal
"""


def test_a_script_is_carried_out_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "faults.txt"
    path.write_text(SCRIPT, encoding="utf-8")
    plan = parse(f"script:{path}")
    assert plan.nemesis.faults == {"partition", "kill", "pause"}
    assert plan.roles == {"leader"}
    rehearsal = Rehearsal(plan, seconds=10)
    told = [(event.f, (event.input or {}).get("targets")) for event in rehearsal.invoked()]
    assert [f for f, _ in told] == [
        "roles", "partition", "kill", "partition", "heal", "pause", "heal", "heal", "heal"
    ]  # fmt: skip
    assert told[1][1] == ["n2"]
    assert told[2][1] == ["n3"]
    grudges = [event.input["grudge"] for event in rehearsal.invoked("partition")]
    assert grudges[1] == {"n1": ["n4", "n5"]}
    healed = [event.input["fault"] for event in rehearsal.invoked("heal")]
    assert healed == [2, 4, 3, 1], "the kill by name, then the newest first"
    assert rehearsal.invoked()[0].time >= 2 * SECOND
    assert not rehearsal.open


def scripted(tmp_path: Path, *lines: str) -> FaultPlan:
    path = tmp_path / "faults.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return parse(f"script:{path}")


@pytest.mark.parametrize(
    ("lines", "drift"),
    [
        (["nemesis: kill"], 0),
        (["nemesis: clock jump"], 0),
        (["nemesis: clock slow"], 200_000),
        (["nemesis: clock slow", "nemesis: heal", "nemesis: clock drift"], 200_000),
        (["nemesis: clock slow", "nemesis: heal clock", "nemesis: clock slow"], 200_000),
        (["nemesis: clock slow", "nemesis: heal kill", "nemesis: clock slow"], 400_000),
        (["n1: clock slow", "n2: clock slow"], 200_000),
        (["n1: clock slow", "n2: clock slow", "n1: clock drift"], 400_000),
        (["n1: clock slow", "nemesis: clock slow target=leader"], 400_000),
        # The healing is that of the jump, which is newer.
        (["n1: clock slow", "n1: clock jump", "n1: heal clock", "n1: clock slow"], 400_000),
    ],
)
def test_a_script_says_how_far_a_clock_drifts_at_most_at_once(
    tmp_path: Path, lines: list[str], drift: int
) -> None:
    assert scripted(tmp_path, *lines).drift_ppm == drift


def test_a_script_says_which_qualities_of_links_it_uses(tmp_path: Path) -> None:
    plan = scripted(tmp_path, "n1: link slow", "n2: link lossy", "n3: kill", "nemesis: heal")
    assert plan.qualities == {"delay_ns", "jitter_ns", "loss_ppm"}
    assert (plan + parse("link:hold")).qualities == plan.qualities | {"hold"}
    assert scripted(tmp_path, "n3: kill").qualities == frozenset()


def test_a_script_heals_its_own_faults_alone(tmp_path: Path) -> None:
    lines = ["nemesis: wait 1", "nemesis: heal", "n1: pause", "nemesis: wait 2", "nemesis: heal"]
    soon = Timing(lead_in_ns=(0, 0), fault_ns=(5 * SECOND, 5 * SECOND))
    rehearsal = Rehearsal(scripted(tmp_path, *lines) + kill("n2", timing=soon), seconds=10)
    told = [(e.f, (e.input or {}).get("fault"), e.time // SECOND) for e in rehearsal.invoked()]
    assert told[:4] == [("kill", None, 0), ("pause", None, 1), ("heal", 2, 3), ("heal", 1, 5)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nemesis: wait soon", "`wait` takes seconds"),
        ("nemesis: kil", "line 1: kil is no fault; valid are none, partition"),
        ("n1: kill target=n2", "n1 is the target already"),
        ("nemesis: kill size=3", "size= means nothing here"),
        (
            "nemesis: kill rolling",
            "line 1: `kill:rolling` is more than one fault: write them one by one",
        ),
        ("nemesis: kill 3", "only a partition takes a value"),
        ("nemesis kill", "line 1, column 9: a colon belongs here"),
        ("n1: kill -> ok", "no answer"),
    ],
)
def test_what_a_script_cannot_mean_is_told_with_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "faults.txt"
    path.write_text(f"{text}\n", encoding="utf-8")
    with pytest.raises(InvalidPlan) as raised:
        parse(f"script:{path}")
    assert said in str(raised.value)


def test_a_script_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidPlan, match="No such file"):
        parse(f"script:{tmp_path}/nothing")

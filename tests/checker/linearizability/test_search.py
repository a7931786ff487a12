"""The native search answers what the twin answers, whatever it leaves out."""

from __future__ import annotations

from itertools import combinations
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from checker.history.columns import History
from checker.history.events import Event
from checker.history.notation import parse
from checker.linearizability import twin
from checker.linearizability.problem import problem_of
from checker.linearizability.search import PRUNINGS, RUNGS, budget_of, search
from checker.models import MODELS, Action, Inconsistent
from checker.verdict import Budget
from tests.benchmarks.adversarial import Shape, Wrong, register, sums
from tests.checker.linearizability.histories import random_history
from tests.checker.linearizability.machines import Silent, Sure, random_machine, random_run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker._core import SearchResult

ALL_BUT_ONE = [tuple(sorted(PRUNINGS.keys() - {name})) for name in PRUNINGS]
PAIRS = list(combinations(sorted(PRUNINGS), 2))


def outcomes(
    history: History,
    model: str,
    *,
    prune: Iterable[str] = PRUNINGS,
    budget: Budget | None = None,
    rung: str | None = None,
) -> list[SearchResult]:
    problem = problem_of(history, MODELS[model]())
    return search(problem, budget_of(budget or Budget()), prune=prune, rung=rung)


def is_legal(history: History, model: str, *, prune: Iterable[str] = PRUNINGS) -> bool:
    found = {result.outcome for result in outcomes(history, model, prune=prune)}
    assert found <= {"legal", "illegal"}
    return "illegal" not in found


def test_agrees_with_the_twin_on_random_automata() -> None:
    verdicts = set()
    for seed in range(600):
        rng = Random(seed)
        machine = random_machine(rng)
        history = random_run(rng, machine)
        expected = twin.search(history, machine, steps_max=20_000)
        problem = problem_of(history, machine)
        some = [name for name in PRUNINGS if rng.random() < 0.7]
        for prune, rung in [(PRUNINGS, None), (some, None), (PRUNINGS, rng.choice([*RUNGS]))]:
            found = {
                r.outcome for r in search(problem, budget_of(Budget()), prune=prune, rung=rung)
            }
            if expected is not None and "undecided" not in found:
                assert ("illegal" not in found) is expected, (seed, prune, rung)
                verdicts.add(expected)
    assert verdicts == {True, False}


def test_a_small_model_need_not_declare_what_it_does() -> None:
    verdicts = set()
    for seed in range(150):
        rng = Random(f"silent {seed}")
        machine = random_machine(rng)
        if not isinstance(machine, Sure):
            continue
        history = random_run(rng, machine, operations=20)
        problem = problem_of(history, Silent(machine.rows))
        expected = {r.outcome for r in search(problem, budget_of(Budget(steps=300_000)), prune=())}
        if "steps" not in expected:
            problem = problem_of(history, Silent(machine.rows))
            found = {r.outcome for r in search(problem, budget_of(Budget()))}
            assert ("illegal" in found) is ("illegal" in expected), seed
            verdicts |= expected
    assert verdicts == {"legal", "illegal"}


def test_what_a_small_model_does_is_seen_before_a_long_search() -> None:
    lines = [f"p{n // 10 % 3}: write {n // 10 % 4} @{n} -> ok @{n + 9}" for n in range(0, 3000, 10)]

    class Cell(Silent):
        def step(self, op: Action) -> Cell | Inconsistent:
            return Cell((), int(op.input or 0))

        def canonical(self, op: Action) -> Action:
            return op

    problem = problem_of(parse("\n".join(lines)), Cell(()))
    search(problem, budget_of(Budget()))
    assert problem.automaton.table.misses == 16
    unseen = problem_of(parse("\n".join(lines)), Cell(()))
    search(unseen, budget_of(Budget()), prune=PRUNINGS.keys() - {"closure"})
    assert unseen.automaton.table.misses < 16


@pytest.mark.parametrize("model", ["register", "cas-register", "kv", "mutex"])
def test_agrees_with_the_twin_where_many_are_open(model: str) -> None:
    for seed in range(40):
        rng = Random(f"wide {model} {seed}")
        history = random_history(
            rng, model, operations=9, processes=8, stamps=8, crash_share=rng.choice([0, 0.3])
        )
        expected = twin.search(history, MODELS[model](), steps_max=20_000)
        if expected is not None:
            assert is_legal(history, model) is expected, seed


@pytest.mark.parametrize("rung", [None, *RUNGS])
def test_a_crashed_write_may_hide_another_before_it_matters(rung: str | None) -> None:
    """The swap was possible without the crashed write, but not after the write that it hides."""
    history = parse("""
        p0: write 1 @0 -> ok @1
        p1: cas [1,2] @2 -> true @4
        p2: write 5 @2 -> ok @5
        p3: write 1 @2
        p4: read @6 -> 2 @7
    """)
    assert twin.search(history, MODELS["cas-register"]())
    [result] = outcomes(history, "cas-register", rung=rung)
    assert result.outcome in ("legal", "undecided")


@pytest.mark.parametrize("open_at_once", [5, 20, 60])
def test_appends_that_nobody_read_in_any_order_are_no_obstacle(open_at_once: int) -> None:
    calls = [f'p{n}: append k "{n}."' for n in range(open_at_once)]
    answers = [f"p{n}: -> ok" for n in range(open_at_once)]
    put = f'p{open_at_once}: put k "x" -> ok'
    for found, legal in (("x", True), ("x3.", True), ("x1.2.", True), ("x3.3.", False)):
        read = f'p{open_at_once}: get k -> "{found}"'
        history = parse("\n".join([*calls, put, read, *answers]))
        budget = Budget(steps=2_000_000)
        [result] = outcomes(history, "kv", budget=budget)
        assert result.outcome == ("legal" if legal else "illegal"), found


def test_more_than_64_operations_may_be_open_at_once() -> None:
    writes = [f"p{n}: write {n}" for n in range(150)]
    answers = [f"p{n}: -> ok" for n in range(150)]
    read = "p200: read -> {}"
    assert is_legal(parse("\n".join([*writes, read.format(149), *answers])), "register")
    assert is_legal(parse("\n".join([*writes, *answers, read.format(3)])), "register")
    assert not is_legal(parse("\n".join([*writes, *answers, read.format(150)])), "register")


@pytest.mark.parametrize("count", [100, 254, 255, 256, 1000, 70_000])
def test_any_number_of_equal_operations_may_have_crashed(count: int) -> None:
    events = [
        Event(index=n, time=n, process=n, type="invoke", f="add", input=1) for n in range(count)
    ]
    read: dict[str, Any] = {"process": count, "f": "read"}
    events.append(Event(index=count, time=count, type="invoke", **read))

    def with_answer(answer: int) -> History:
        end = Event(index=count + 1, time=count + 1, type="ok", output=answer, **read)
        return History.of([*events, end])

    assert is_legal(with_answer(min(count, 300)), "counter")
    if count <= 1000:
        assert is_legal(with_answer(count), "counter")
        assert not is_legal(with_answer(count + 1), "counter")


def test_all_stamps_may_be_equal() -> None:
    def history(answers: list[int]) -> History:
        writes = [f"p{n}: write {n} @5 -> ok @5" for n in range(6)]
        reads = [f"p{n}: read @5 -> {answer} @5" for n, answer in enumerate(answers)]
        return parse("\n".join([*writes, *reads]))

    assert is_legal(history([0, 1, 2, 3, 4, 5]), "register")
    assert is_legal(history([3, 3, 3, 3, 3, 3]), "register")
    # Process 0 read what 5 had written after its own write, and the other way round.
    assert not is_legal(history([5, 1, 2, 3, 4, 0]), "register")


def test_an_operation_may_overlap_everything() -> None:
    middle = [f"p1: write {n} -> ok\np1: read -> {n}" for n in range(200)]
    history = parse("\n".join(["p0: write 1000", *middle, "p1: read -> 1000", "p0: -> ok"]))
    assert is_legal(history, "register")


def test_a_failed_operation_did_not_happen() -> None:
    assert not is_legal(parse("p0: write 1 -> fail\np1: read -> 1"), "register")
    assert is_legal(parse("p0: write 1 -> fail\np1: read -> null"), "register")


def test_keys_are_judged_apart() -> None:
    history = parse("p0: write x 1 -> ok\np0: read y -> null\np0: read x -> 2")
    assert [result.outcome for result in outcomes(history, "register")] == ["illegal", "legal"]


@pytest.mark.parametrize(
    ("budget", "spent"),
    [(Budget(steps=2), "steps"), (Budget(seconds=0), "seconds"), (Budget(memory_mb=0), "memory")],
)
def test_a_spent_budget_is_told(budget: Budget, spent: str) -> None:
    history = parse("p0: write 1 -> ok\np0: read -> 1\np0: read -> 1")
    [result] = outcomes(history, "register", budget=budget)
    assert result.outcome == spent
    assert result.returns == 3
    assert result.row is not None


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_hundred_crashed_operations_of_a_thousand_are_decided(seed: int) -> None:
    history = History.from_bytes(register(Shape(operations=1_000, processes=10, crashed=196), seed))
    [result] = outcomes(history, "cas-register", budget=Budget(steps=200_000), rung="dived")
    assert result.outcome == "legal"


@pytest.mark.parametrize("wrong", ["impossible", "counted", "split"])
def test_depth_first_finds_the_same_violation_as_the_walk(wrong: Wrong) -> None:
    history = History.from_bytes(register(Shape(operations=300, crashed=8, wrong=wrong), 1))
    found = [outcomes(history, "cas-register", rung=rung)[0] for rung in ("exact", "dived")]
    assert [result.outcome for result in found] == ["illegal", "illegal"]
    assert found[0].row == found[1].row


def test_a_budget_of_memory_makes_the_search_depth_first_forget_and_go_on() -> None:
    shape = Shape(operations=500, crashed=16, wrong="counted")
    history = History.from_bytes(register(shape, 1))
    free, tight = (
        outcomes(history, "cas-register", budget=Budget(memory_mb=mb), rung="dived")[0]
        for mb in (None, 1)
    )
    assert (free.outcome, free.row) == (tight.outcome, tight.row)
    assert free.outcome == "illegal"
    assert tight.steps > free.steps


@pytest.mark.parametrize("threads", [1, 2])
def test_when_time_is_over_that_is_told(threads: int) -> None:
    history = History.from_bytes(sums(28, wrong=2))
    problem = problem_of(history, MODELS["counter"]())
    [result] = search(problem, budget_of(Budget(seconds=0.3)), threads=threads)
    assert result.outcome == "seconds"
    assert result.row is not None
    assert result.crashed == 28


def crash_heavy(crashed: int, *reads: int) -> History:
    """Compare-and-sets of which nobody knows, then reads of theirs."""
    swaps = [f"p{n}: cas [{n % 5}, {(n * 3 + 1) % 5}]" for n in range(crashed)]
    asked = [f"p{crashed}: read -> {value}" for value in reads]
    return parse("\n".join([*swaps, f"p{crashed}: write 0 -> ok", *asked]))


def test_a_hundred_crashed_operations_are_no_obstacle() -> None:
    budget = Budget(steps=2_000_000)
    [legal] = outcomes(crash_heavy(100, 0, 1, 4, 3, 0, 1), "cas-register", budget=budget)
    assert legal.outcome == "legal"
    many = [value for _ in range(60) for value in (0, 1)]
    [illegal] = outcomes(crash_heavy(100, *many), "cas-register", budget=budget)
    assert illegal.outcome == "illegal"


def test_an_easy_object_is_decided_before_a_hard_one_has_used_the_budget() -> None:
    hard = [f"p{n}: enqueue a {n}" for n in range(1, 40)]
    answered = [f"p{n}: -> ok" for n in range(1, 40)]
    taken = ["p99: dequeue a -> 77", "p99: enqueue b 1 -> ok", "p99: dequeue b -> 1"]
    history = parse("\n".join([*hard, *answered, *taken]))
    found = [r.outcome for r in outcomes(history, "queue", budget=Budget(steps=60_000))]
    assert found == ["steps", "legal"]


def test_steps_are_the_same_every_time() -> None:
    history = random_history(Random(4), "cas-register", operations=40, processes=8, stamps=60)
    steps = {tuple(r.steps for r in outcomes(history, "cas-register")) for _ in range(3)}
    assert len(steps) == 1


def told(result: SearchResult) -> tuple[Any, ...]:
    names = ("outcome", "rung", "row", "passed", "returns", "frontier", "widest", "steps")
    return tuple(getattr(result, name) for name in names)


@pytest.mark.parametrize("steps", [100_000, 800_000])
@pytest.mark.parametrize("wrong", ["nothing", "split", "counted"])
def test_threads_change_no_answer_and_no_count(steps: int, wrong: Wrong) -> None:
    shape = Shape(operations=400, crashed=90, wrong=wrong, busy=60)
    for seed in range(5):
        problem = problem_of(History.from_bytes(register(shape, seed)), MODELS["cas-register"]())
        budget = Budget(steps=steps)
        alone, both = (search(problem, budget_of(budget), threads=n) for n in (1, 2))
        assert list(map(told, alone)) == list(map(told, both))


def test_ways_of_the_relaxed_search_are_followed_one_after_another() -> None:
    shape = Shape(operations=1000, crashed=150, busy=60)
    for seed in range(4):
        history = History.from_bytes(register(shape, seed))
        [result] = outcomes(history, "cas-register", rung="relaxed")
        assert result.outcome in ("legal", "undecided")


def test_threads_change_nothing_of_a_model_in_python() -> None:
    for seed in range(3):
        rng = Random(f"threads {seed}")
        machine = random_machine(rng)
        if isinstance(machine, Sure):
            history = random_run(rng, machine, operations=300)
            found = [
                search(problem_of(history, machine), budget_of(Budget(steps=200_000)), threads=n)
                for n in (1, 2)
            ]
            assert list(map(told, found[0])) == list(map(told, found[1]))


def test_a_budget_is_shared_by_the_searches_that_take_from_it() -> None:
    problem = problem_of(parse("p0: write 1 -> ok\np0: read -> 1"), MODELS["register"]())
    budget = budget_of(Budget(steps=5))
    first = search(problem, budget)
    assert first[0].outcome == "legal"
    assert budget.spent() is None
    assert budget.steps == first[0].steps
    while budget.spent() is None:
        [last] = search(problem, budget)
    assert last.outcome == "steps"
    assert budget.spent() == "steps"
    assert budget.steps == 5


def test_the_model_is_asked_once_for_a_state_and_an_action() -> None:
    lines = [f"p0: add {n % 3} -> ok\np0: remove {n % 3} -> ok" for n in range(500)]
    problem = problem_of(parse("\n".join(lines)), MODELS["set"]())
    [result] = search(problem, budget_of(Budget()))
    assert result.outcome == "legal"
    assert 0 < problem.automaton.table.misses <= 8 * 6


def test_refuses_columns_that_do_not_belong_together() -> None:
    problem = problem_of(parse("p0: write 1 -> ok\np0: read -> 1"), MODELS["register"]())
    columns = problem.history.columns
    with pytest.raises(ValueError, match="do not belong together"):
        problem.automaton.table.search(
            columns.call,
            columns.ret[:1],
            columns.process,
            problem.action,
            problem.objects.rows,
            problem.objects.ends,
            0,
            prune=[],
            budget=budget_of(Budget()),
        )
    with pytest.raises(ValueError, match="no pruning"):
        search(problem, budget_of(Budget()), prune=["everything"])

"""Objects and histories over any executor: the same verdicts as one after another."""

from __future__ import annotations

import pickle
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from random import Random
from time import sleep
from typing import TYPE_CHECKING, Any

import pytest

from checker.history.columns import History
from checker.history.notation import parse
from checker.linearizability import sharing
from checker.linearizability.automaton import WrongDeclaration
from checker.linearizability.checker import check, check_each
from checker.linearizability.judging import Terms
from checker.linearizability.problem import problem_of
from checker.linearizability.search import PRUNINGS, budget_of
from checker.linearizability.sharing import Share
from checker.models import MODELS, Action, Inconsistent
from checker.verdict import Budget
from tests.checker.linearizability.histories import random_history

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from checker.history.events import Event


@dataclass(frozen=True)
class Tally:
    """A model of a user's."""

    count: int = 0
    pure = frozenset({"read"})

    def step(self, op: Action) -> Tally | Inconsistent:
        if op.f == "add":
            return Tally(self.count + op.input)
        if op.known and op.output != self.count:
            return Inconsistent(f"{op.output} told, but it stood at {self.count}")
        return self


@dataclass(frozen=True)
class Liar(Tally):
    """A tally that declares what it does not keep."""

    pure = frozenset({"read", "add"})


class Inline(Executor):
    """An executor of another kind: it does what it is given at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor


def many_keys(seed: int, model: str, keys: int, wrong_share: float = 0.05) -> History:
    """Small histories of one model side by side, each under a key of its own."""
    events: list[Event] = []
    for key in range(keys):
        history = random_history(
            Random(f"{seed} {key}"), model, operations=5, wrong_share=wrong_share
        )
        events += [_moved(event, key) for event in history.events()]
    events.sort(key=lambda event: event.time)
    return History.of(_with(event, index=n) for n, event in enumerate(events))


def _moved(event: Event, key: int) -> Event:
    assert isinstance(event.process, int)
    return _with(event, key=f"k{key}", process=event.process + 1000 * key)


def _with(event: Event, **changed: Any) -> Event:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return type(event)(**{**fields, **changed})


@pytest.mark.parametrize("model", ["counter", "queue", "set", "kv", "register"])
def test_threads_and_processes_judge_as_one_after_another(model: str, processes: Executor) -> None:
    statuses = set()
    with ThreadPoolExecutor(2) as threads:
        for seed in range(6):
            history = many_keys(seed, model, 20, wrong_share=0.4 if seed % 2 else 0.0)
            alone = check(history, MODELS[model](), all_keys=True)
            statuses.add(alone.status)
            for executor in (Inline(), threads, processes):
                shared = check(history, MODELS[model](), all_keys=True, executor=executor)
                assert shared.status == alone.status
                assert shared.observed["outcomes"] == alone.observed["outcomes"]
                assert shared.observed["algorithm"] == alone.observed["algorithm"]
                assert sentences(shared) == sentences(alone)
                first = check(history, MODELS[model](), executor=executor)
                assert first.status == alone.status
                assert sentences(first) <= sentences(alone)
    assert len(statuses) > 1


def sentences(verdict: Any) -> set[str]:
    """What was found wrong; in which order its reasons are told depends on what was met before."""
    return {finding.sentence.partition(": ")[0] for finding in verdict.findings}


def test_an_open_model_is_judged_in_processes(processes: Executor) -> None:
    lines = [f"p0: add k{n} 1 -> ok\np1: read k{n} -> {1 + (n == 17)}" for n in range(30)]
    verdict = check(parse("\n".join(lines)), Tally(), executor=processes)
    [finding] = verdict.findings
    assert 'of key "k17"' in finding.sentence
    assert [op.f for op in finding.sub_history] == ["add", "read"]


def test_errors_of_a_model_come_back(processes: Executor) -> None:
    history = parse("\n".join(f"p0: add k{n} 1 -> ok" for n in range(10)))
    with pytest.raises(WrongDeclaration, match="declares by `pure`"):
        check(history, Liar(), executor=processes)


def test_a_budget_in_steps_is_spent_by_one_search_after_another() -> None:
    class Refusing(Inline):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            raise AssertionError("nothing is to be shared")

    history = many_keys(1, "counter", 5, wrong_share=0)
    budget = Budget(steps=100_000)
    assert check(history, MODELS["counter"](), executor=Refusing(), budget=budget).status == "valid"


def test_a_spent_budget_leaves_objects_unjudged() -> None:
    with ThreadPoolExecutor(2) as threads:
        history = many_keys(1, "counter", 5, wrong_share=0)
        budget = Budget(seconds=0)
        verdict = check(history, MODELS["counter"](), executor=threads, budget=budget)
    assert verdict.status == "unknown"


def test_a_share_that_travels_and_waits_keeps_the_clock() -> None:
    history = many_keys(1, "counter", 5, wrong_share=0)
    problem = problem_of(history, MODELS["counter"]())
    terms = Terms(prune=frozenset(PRUNINGS))
    outcomes = []
    for seconds in (60.0, 0.05):
        spent = budget_of(Budget(seconds=seconds))
        share = Share(range(5), problem, lambda: problem, [], terms, spent)
        sent = pickle.dumps(share)
        sleep(0.1)
        outcomes.append(set(pickle.loads(sent)().outcomes))
    assert outcomes[0] == {"legal"}
    assert "legal" not in outcomes[1]


def test_many_histories_are_judged_in_their_order(processes: Executor) -> None:
    histories = [many_keys(seed, "counter", 1 + seed % 5, wrong_share=0.5) for seed in range(12)]
    model = MODELS["counter"]()
    alone = [check(history, model).status for history in histories]
    assert [v.status for v in check_each(histories, model, executor=processes)] == alone
    assert len(set(alone)) > 1


def test_objects_without_an_end_do_not_keep_a_wrong_one_from_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sharing, "FIRST_STEPS", 2_000)
    lines = []
    for key, first in (("hard", 10), ("harder", 60)):
        clients = range(first, first + 40)
        lines += [f"p{n}: enqueue {key} {n}" for n in clients]
        lines += [f"p{n}: -> ok" for n in clients]
        lines.append(f"p{first}: dequeue {key} -> 7")
    history = parse("\n".join([*lines, "p9: enqueue easy 1 -> ok", "p9: dequeue easy -> 2"]))
    model = MODELS["queue"]()
    with ThreadPoolExecutor(2) as threads:
        verdict = check(history, model, algorithm="frontier", executor=threads)
    assert verdict.status == "invalid"
    assert 'of key "easy"' in verdict.findings[0].sentence
    assert verdict.observed["outcomes"] == {"illegal": 1, "not judged": 2}


def test_what_is_left_is_judged_in_another_round(
    processes: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "FIRST_STEPS", 1)
    for seed in (3, 4):
        history = many_keys(seed, "counter", 10, wrong_share=0.3 if seed % 2 else 0)
        alone = check(history, MODELS["counter"](), all_keys=True)
        for executor in (Inline(), processes):
            shared = check(history, MODELS["counter"](), all_keys=True, executor=executor)
            assert shared.status == alone.status
            assert shared.observed["outcomes"] == alone.observed["outcomes"]

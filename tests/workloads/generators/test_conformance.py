"""Every generator keeps the rules of the protocol, and the check of the rules can fail."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

import workloads.generators as g
from systems_under_test.rng import Rng
from workloads.generators import Context, Invocation, Pending, invoke, lift
from workloads.generators.conformance import check_generator
from workloads.generators.protocol import PENDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from checker.history.events import Event
    from workloads.generators.protocol import Answer, Generator, Liftable

a, b = invoke("a"), invoke("b", key="x")
NS = 1e-9
drawn = g.draw(lambda rng: invoke("w", rng.below(9), key=rng.below(2)))
busy = g.stagger(7 * NS, g.mix(drawn, g.limit(5, g.delay(30 * NS, g.repeat(b)))))

keyless = g.stagger(7 * NS, g.mix(a, g.limit(5, g.delay(30 * NS, g.repeat(a)))))

EXAMPLES: dict[str, Callable[[], Liftable]] = {
    "first_of": lambda: g.first_of(g.limit(9, busy), [a, g.sleep(50 * NS), b], None),
    "any_of": lambda: g.any_of(g.limit(9, busy), [a, g.sleep(50 * NS), b], None),
    "at_rate": lambda: g.at_rate(1e8, g.limit(9, drawn)),
    "concurrent_keys": lambda: g.concurrent_keys(2, "uvwxyz", lambda k: g.limit(4, keyless)),
    "cycle": lambda: g.cycle(a, g.sleep(20 * NS), busy_five(), times=4),
    "delay": lambda: g.delay(15 * NS, g.limit(9, drawn)),
    "draw": lambda: g.limit(20, g.draw(lambda rng: [a] * rng.between(1, 3))),
    "each_process": lambda: g.limit(40, g.each_process([a, g.sleep(20 * NS), busy_five()])),
    "each_thread": lambda: g.each_thread([a, g.sleep(20 * NS), busy_five()]),
    "filtered": lambda: g.filtered(
        lambda op: op.input % 3 < 2, (invoke("w", n) for n in range(12))
    ),
    "flip_flop": lambda: g.flip_flop(busy_five(), [a, g.sleep(30 * NS), b, a]),
    "from_context": lambda: g.limit(9, g.from_context(lambda ctx: invoke("c", len(ctx.free)))),
    "lift": lambda: (invoke("write", n) for n in range(12)),
    "limit": lambda: g.limit(5, busy),
    "mapped": lambda: g.mapped(lambda op: op, busy_five()),
    "mix": lambda: g.mix(busy_five(), [a, g.sleep(90 * NS), b], g.once(a), weights=(1, 2, 3)),
    "numbered": lambda: g.numbered({"w": lambda n, _: n}, busy_five()),
    "on_clients": lambda: g.on_clients(busy_five()),
    "on_key": lambda: g.on_key("k", g.limit(5, keyless)),
    "on_nemesis": lambda: g.on_nemesis(busy_five()),
    "on_threads": lambda: g.on_threads([0, 2], busy_five()),
    "once": lambda: g.once(busy),
    "phases": lambda: g.phases(busy_five(), [a, a, a], g.sleep(50 * NS), b),
    "remembering": lambda: g.remembering(_learn, lambda op, known: op, busy_five()),
    "repeat": lambda: g.repeat([g.sleep(20 * NS), a], times=6),
    "reserve": lambda: g.reserve((1, busy_five()), (1, [a, g.sleep(70 * NS), a]), rest=[b, b]),
    "retry": lambda: g.retry(3, busy_five()),
    "sequential_keys": lambda: g.sequential_keys("xyz", lambda key: g.limit(3, keyless)),
    "sleep": lambda: [g.sleep(20 * NS), a, g.sleep(20 * NS)],
    "stagger": lambda: g.stagger(9 * NS, g.limit(20, g.repeat(a))),
    "synchronize": lambda: [a, a, g.synchronize(busy_five())],
    "then": lambda: g.then(busy_five(), [a, g.sleep(9 * NS), a]),
    "time_limit": lambda: g.time_limit(200 * NS, g.any_of(busy, [g.sleep(70 * NS), a])),
    "until_ok": lambda: [g.until_ok(g.delay(20 * NS, g.repeat(a))), b],
    "with_contexts": lambda: g.with_contexts(busy_five()),
    "all together": lambda: g.time_limit(
        900 * NS,
        g.any_of(
            g.on_clients(g.stagger(9 * NS, g.reserve((2, g.each_process(busy)), rest=busy_five()))),
            g.on_nemesis(g.cycle(g.sleep(90 * NS), a, g.sleep(90 * NS), b)),
        ),
    ),
}


def busy_five() -> Generator:
    return g.limit(5, busy)


def _learn(event: Event) -> Any:
    return event.time if event.type == "ok" else None


VALUES = {"PENDING", "Context", "Generator", "Invocation", "Pending", "invoke"}


def test_every_public_generator_has_an_example() -> None:
    assert set(g.__all__) - VALUES <= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_keeps_the_rules(name: str) -> None:
    for seed in range(8):
        assert check_generator(EXAMPLES[name](), streams=Rng(f"{seed}").stream) == [], seed


COMBINE: tuple[Callable[[Rng, Generator, Generator], Liftable], ...] = (
    lambda rng, x, y: [x, y],
    lambda rng, x, y: iter([x, y]),
    lambda rng, x, y: g.any_of(x, y),
    lambda rng, x, y: g.mix(x, y, weights=(1, 3)),
    lambda rng, x, y: g.flip_flop(x, y),
    lambda rng, x, y: g.phases(x, y),
    lambda rng, x, y: g.then(x, y),
    lambda rng, x, y: g.reserve((1, x), rest=y),
    lambda rng, x, y: g.limit(rng.below(6), x),
    lambda rng, x, y: g.repeat(x, times=rng.below(4)),
    lambda rng, x, y: g.cycle(x, y, times=rng.below(3)),
    lambda rng, x, y: g.until_ok(x),
    lambda rng, x, y: g.retry(2, x),
    lambda rng, x, y: g.stagger(rng.below(20) * NS, x),
    lambda rng, x, y: g.delay(rng.below(20) * NS, x),
    lambda rng, x, y: g.time_limit(rng.below(200) * NS, [x, y]),
    lambda rng, x, y: [g.sleep(rng.below(50) * NS), x],
    lambda rng, x, y: g.limit(30, g.each_process(x)),
    lambda rng, x, y: g.each_thread([x, y]),
    lambda rng, x, y: g.concurrent_keys(2, "xyz", lambda key: of_a_key(rng)),
    lambda rng, x, y: g.sequential_keys("xy", lambda key: of_a_key(rng)),
    lambda rng, x, y: g.numbered({"a": lambda n, _: n}, x),
    lambda rng, x, y: g.with_contexts(x),
    lambda rng, x, y: g.mapped(lambda op: op, x),
)


def of_a_key(rng: Rng) -> Liftable:
    return g.retry(rng.between(1, 3), [a, g.limit(rng.below(4), keyless)])


def random_generator(rng: Rng, depth: int) -> Generator:
    """A random combination of generators, nested to this depth."""
    if depth == 0:
        return lift(rng.choice((a, b, None, [a, b], g.repeat(a, times=4), g.limit(4, drawn))))
    inner = random_generator(rng, depth - 1), random_generator(rng, rng.below(depth))
    return lift(rng.choice(COMBINE)(rng, *inner))


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_any_combination_keeps_the_rules(depth: int) -> None:
    for seed in range(100):
        rng = Rng(f"{depth}/{seed}")
        generator = random_generator(rng, depth)
        found = check_generator(
            generator, streams=rng.stream, clients=4, nemesis=False, steps_max=60
        )
        assert found == [], f"seed {seed}"


class Wrong:
    """A generator with one fault, around a good one."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.asked = 0
        self.inner = g.repeat(a)

    def op(self, ctx: Context) -> Answer:
        self.asked += 1
        if self.fault == "forgets" and self.asked > 4:
            return None if self.asked % 2 else (Invocation("a", process=0, time=ctx.time), self)
        if self.fault == "stuck":
            return PENDING, self
        if self.fault == "greedy":
            return Invocation("a", process=0, time=ctx.time), self
        if self.fault == "late" and ctx.time > 0 and ctx.free:
            return Invocation("a", process=ctx.processes[ctx.free[0]], time=ctx.time - 1), self
        if self.fault == "mutable" and ctx.free:
            return ctx.fill(invoke("a", self.asked)), self
        if self.fault == "nosy" and self.asked < 0:
            return ctx.fill(b), self
        if self.fault == "revived" and ctx.time < 10**12:
            return None
        answer = self.inner.op(ctx)
        return None if answer is None else (answer[0], self)

    def update(self, ctx: Context, event: Event) -> Generator:
        if self.fault == "nosy" and event.f == "strange":
            other = Wrong("nosy")
            other.asked = -10
            return other
        return self


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("mutable", "asked twice, it answers differently"),
        ("nosy", "a stranger's event changes its answer"),
        ("greedy", "with nobody free it yields"),
        ("late", "in the past"),
        ("stuck", "nothing in flight"),
        ("revived", "it goes on later"),
        ("forgets", "exhausted, it goes on"),
    ],
)
def test_the_check_finds(fault: str, sentence: str) -> None:
    problems = check_generator(Wrong(fault), streams=Rng, steps_max=50)
    assert problems
    assert any(sentence in problem for problem in problems), problems


def test_a_pending_answer_that_is_kept_remembers_when_the_wait_began() -> None:
    ctx = Context(5, (0,), {0: 0}, ("n1",), Rng("7"))
    answer = lift(g.sleep(100 * NS)).op(ctx)
    assert answer is not None
    assert answer[0] == Pending(until=105)
    later = Context(50, (0,), {0: 0}, ("n1",), Rng("7"))
    again = answer[1].op(later)
    assert again is not None
    assert again[0] == Pending(until=105)


def test_an_iterator_is_never_drawn_from_twice_for_one_place() -> None:
    counter = itertools.count()
    lifted = lift(invoke("w", next(counter)) for _ in range(30))
    assert check_generator(lifted, streams=Rng) == []
    assert next(counter) == 30

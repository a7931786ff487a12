"""The rules that every generator keeps, as a check to run on your own.

The rules stand in `protocol.Generator`. A generator that breaks one works in one interpreter and
fails in another, or makes a seed repeat nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checker.history.events import Event
from workloads.generators.lifting import lift
from workloads.generators.protocol import Context, Pending
from workloads.generators.schedule import NODES, GeneratorMisbehaved, Stage, imperfect

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.generators.protocol import Answer, Generator, Liftable, Rng
    from workloads.invocations import Invocation

STRANGER: Final = 999_983
"""A process that no thread has."""

AFTERWARDS_NS: Final = 3_600_000_000_000
"""An exhausted generator is asked again this much later."""


def check_generator(
    generator: Liftable,
    *,
    streams: Callable[[str], Rng],
    clients: int = 3,
    nemesis: bool = True,
    steps_max: int = 300,
) -> list[str]:
    """Drive the generator with operations that end anyhow, and say which rules it broke, if any.

    `streams` makes an rng from a name, the same for the same name. At each step it is asked twice,
    told of a stranger's event, and asked when nobody is free; its operations must be for free
    processes and not in the past; once exhausted it must stay so.
    """
    stage = Stage(clients=clients, nemesis=nemesis, nodes=NODES, rng=streams("run"))
    current = lift(generator)
    problems: list[str] = []
    for step in range(steps_max):
        answer = current.op(stage.context(streams(f"step {step}")))
        problems += _broken_at(step, current, answer, stage, streams)
        if answer is None:
            break
        try:
            current = _advance(stage, answer, current, streams(f"ending {step}"))
        except GeneratorMisbehaved as error:
            problems.append(f"step {step}: {error}")
        if problems:
            return problems
    else:
        return problems
    return _broken_after_the_end(stage, current, streams("afterwards"))


def _broken_at(
    step: int,
    generator: Generator,
    answer: Answer,
    stage: Stage,
    streams: Callable[[str], Rng],
) -> list[str]:
    def rng() -> Rng:
        return streams(f"step {step}")

    problems = []
    ctx = stage.context(rng())
    if generator.op(ctx) != answer:
        problems.append(f"step {step}: asked twice, it answers differently: {generator!r}")
    stranger = Event(index=0, time=ctx.time, process=STRANGER, type="ok", f="strange", output=1)
    told = generator.update(stage.context(rng()), stranger).op(stage.context(rng()))
    if _operation(told) != _operation(answer):
        problems.append(f"step {step}: a stranger's event changes its answer: {generator!r}")
    nobody = Context(ctx.time, (), ctx.processes, ctx.nodes, rng())
    idle = _operation(generator.op(nobody))
    if not (idle is None or isinstance(idle, Pending)):
        problems.append(f"step {step}: with nobody free it yields {idle!r}")
    op = _operation(answer)
    if op is not None and not isinstance(op, Pending):
        if op.process is None or ctx.thread_of(op.process) not in ctx.free:
            problems.append(f"step {step}: {op!r} is for a process that is busy or not there")
        if op.time is None or op.time < ctx.time:
            problems.append(f"step {step}: {op!r} is to be invoked in the past: it is {ctx.time}")
    return problems


def _operation(answer: Answer) -> Invocation | Pending | None:
    return None if answer is None else answer[0]


def _advance(
    stage: Stage, answer: tuple[Invocation | Pending, Generator], current: Generator, rng: Rng
) -> Generator:
    """One event, or time to go by. Proposals are dropped at random where nothing forbids it."""
    op, after = answer
    ending = stage.next_ending
    if isinstance(op, Pending):
        if ending is not None and (op.until is None or ending <= op.until):
            return stage.end_next(after)
        if op.until is None or op.until <= stage.time:
            raise GeneratorMisbehaved(f"pending until {op.until} with nothing in flight: {after!r}")
        stage.time = op.until
        return after
    ahead = op.time is not None and op.time > stage.time
    if ending is not None and (ahead or rng.chance(300_000)):
        return stage.end_next(current)
    if ahead and rng.chance(500_000):
        stage.time = op.time or stage.time
        return current
    return stage.begin(after, op, imperfect(op, rng))


def _broken_after_the_end(stage: Stage, generator: Generator, rng: Rng) -> list[str]:
    while stage.next_ending is not None:
        generator = stage.end_next(generator)
        if generator.op(stage.context(rng)) is not None:
            return [f"exhausted, it goes on after the event {stage.events[-1]}: {generator!r}"]
    stage.time += AFTERWARDS_NS
    if generator.op(stage.context(rng)) is not None:
        return [f"exhausted, it goes on later: {generator!r}"]
    return []

"""Generators: immutable values that say which operation comes next.

Every name of this list takes what `lift` takes: generators, operations, lists, iterators.
`docs/generators.md` shows each one.
"""

from workloads.generators.choosing import any_of, first_of, flip_flop, mix
from workloads.generators.counting import cycle, limit, once, repeat, retry, until_ok
from workloads.generators.drawing import draw, filtered, from_context, mapped, numbered
from workloads.generators.keys import concurrent_keys, on_key, sequential_keys
from workloads.generators.lifting import lift
from workloads.generators.phasing import phases, synchronize, then
from workloads.generators.protocol import PENDING, Context, Generator, Pending
from workloads.generators.remembering import remembering, with_contexts
from workloads.generators.threads import (
    each_process,
    each_thread,
    on_clients,
    on_nemesis,
    on_threads,
    reserve,
)
from workloads.generators.timing import at_rate, delay, sleep, stagger, time_limit
from workloads.invocations import Invocation, invoke

__all__ = [
    "PENDING",
    "Context",
    "Generator",
    "Invocation",
    "Pending",
    "any_of",
    "at_rate",
    "concurrent_keys",
    "cycle",
    "delay",
    "draw",
    "each_process",
    "each_thread",
    "filtered",
    "first_of",
    "flip_flop",
    "from_context",
    "invoke",
    "lift",
    "limit",
    "mapped",
    "mix",
    "numbered",
    "on_clients",
    "on_key",
    "on_nemesis",
    "on_threads",
    "once",
    "phases",
    "remembering",
    "repeat",
    "reserve",
    "retry",
    "sequential_keys",
    "sleep",
    "stagger",
    "synchronize",
    "then",
    "time_limit",
    "until_ok",
    "with_contexts",
]

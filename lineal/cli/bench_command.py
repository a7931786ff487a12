"""`lineal bench`: figures of bundled systems, as tables in Markdown."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Final

from lineal import registry
from lineal.bench import admission, dynamo, live, own_writes, simulated
from lineal.bench.systems import BENCHMARKS
from lineal.cli import values
from systems_under_test.dynamo import balance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lineal.bench.live import Measured

OPERATIONS: Final = 5_000
"""Operations of the simulated part."""

EXAMPLES: Final = """\
examples:
  lineal bench ring               load balance of Dynamo's partitioning strategies
  lineal bench dynamo             five local nodes under 50 clients, and the simulation
  lineal bench sessions           how often clients of a simulated Dynamo find their own last write
  lineal bench containers         five nodes in containers: ready, gone, cut; what the proxy adds
  lineal bench admission          latency while members of a Dynamo come and go
  lineal bench paxos              writes and strong reads of three local nodes, and the simulation
  lineal bench paxos --seconds 20
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "bench",
        help="figures of bundled systems, as tables",
        description="Print a table of figures. Of a system: how much local nodes carry, durable, "
        "with 50 closed-loop clients in a process of their own, links direct, no history.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what",
        choices=("ring", "sessions", "admission", "containers", "dynamo", *BENCHMARKS),
        help="ring: mean load by greatest load; sessions: reads of own writes; containers: how "
        "long they take; or a system",
    )
    parser.add_argument(
        "--seconds", type=values.positive, default=5.0, metavar="S", help="of each load (5)"
    )
    parser.set_defaults(command=bench)


def bench(args: argparse.Namespace) -> int:
    """Print the table."""
    tables: dict[str, Callable[[], Iterable[str]]] = {
        "ring": balance.table,
        "sessions": own_writes.table,
        "dynamo": lambda: dynamo.table(args.seconds),
        "admission": lambda: admission.table(args.seconds),
        "containers": _containers,
    }
    made = tables.get(args.what, lambda: system_table(args.what, args.seconds))
    for line in made():
        print(line, flush=True)
    return 0


def _containers() -> Iterable[str]:
    """The figures of containers; what speaks to an engine is loaded only for them."""
    from lineal.bench import containers

    return containers.table()


def system_table(name: str, seconds: float) -> Iterator[str]:
    """The figures of a bundled system, line by line."""
    system, benchmark = registry.system(name), BENCHMARKS[name]
    yield f"| {name}, {os.cpu_count()} cores | per s | target | p50 | p99 | p99.9 | busy |"
    yield "|---|---|---|---|---|---|---|"
    for measured in live.measure(
        system,
        {},
        benchmark.kinds,
        nodes=benchmark.nodes,
        seconds=seconds,
        asked_nodes=benchmark.asked_nodes,
    ):
        yield _row(measured, benchmark.targets[measured.name])
    done = simulated.measure(
        system, {}, benchmark.kinds, nodes=benchmark.simulated_nodes, operations=OPERATIONS
    )
    nodes = benchmark.simulated_nodes
    rate, target = done.acknowledged / done.wall_s, benchmark.targets["simulated"]
    busy = f"{done.cpu_s / done.wall_s:.0%} of one core"
    yield f"| simulated, {nodes} nodes | {rate:,.0f} | {target:,} | - | - | - | {busy} |"


def _row(measured: Measured, target: int) -> str:
    found = measured.found
    latency = (f"{found.latency_ns[name] / 1e6:.1f} ms" for name in ("p50", "p99", "p999"))
    whole = found.seconds + live.WARM_UP_S
    shares = {**measured.node_cpu_s, "clients": found.cpu_s}
    busy = ", ".join(f"{name} {used / whole:.0%}" for name, used in shares.items())
    refused = f" ({found.refused:,} refused)" if found.refused else ""
    cells = [f"{measured.name}{refused}", f"{found.rate:,.0f}", f"{target:,}", *latency, busy]
    return f"| {' | '.join(cells)} |"

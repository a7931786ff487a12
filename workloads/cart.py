"""Shopping carts: every client merges what it reads, then adds an item or takes one out.

What the store cannot know, the application does: two carts that nobody saw together become one with
the items of both. So an item that was added never vanishes unless somebody took it out; one that
was taken out may come back, where a concurrent version still had it. That is the price of the
merge, and the report counts it.

A turn is a get, and a put with the context of that get of a value like

    {"op": 7, "did": "add", "item": 7, "items": [3, 5, 7]}

Source: DeCandia et al., SOSP 2007, 2.3, 4.4 (the cart); 6 (business-logic specific reconciliation).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checker.convergence.siblings import Siblings
from checker.invariants.cart import ADDED, TAKEN_OUT, Cart, items_of
from checker.invariants.recovery import Recovery
from checker.invariants.statistics import Statistics
from workloads.final_reads import final_reads, key_names
from workloads.generators import Invocation, draw, each_process, invoke, numbered, remembering
from workloads.parameters import demand, shares, whole
from workloads.workload import Workload, claims_of

if TYPE_CHECKING:
    from checker.history.events import Event
    from checker.verdict import Checker
    from workloads.generators.protocol import Generator, Rng

PARAMETERS: Final = {
    "keys": "how many carts, few so that clients meet on them; default 5",
    "reads": "percent of turns that only read; default 20",
    "removals": "percent of turns that take an item out; default 25. All other turns add one",
}


def make(*, keys: int = 5, reads: int = 20, removals: int = 25) -> Workload:
    """The workload. Raises `WrongParameters` with everything that is wrong with them."""
    percents = {"reads": reads, "removals": removals}
    demand("cart", whole("keys", keys, 1, 10_000), shares(percents, "adding"))
    names = key_names(keys)
    judges: tuple[Checker, ...] = (Cart(), Siblings(), Recovery(), Statistics())
    return Workload(
        name="cart",
        generator=asking(names, reads, removals),
        final_generator=lambda nodes: final_reads("get", names, nodes, {"r": "all"}),
        judges=judges,
        claims=claims_of(judges),
        pure=frozenset({"get"}),
        parameters={"keys": keys, **percents},
    )


def asking(keys: tuple[str, ...], reads: int, removals: int) -> Generator:
    """What the clients ask, without end."""

    def turn(rng: Rng) -> list[Invocation]:
        key, drawn = rng.choice(keys), rng.below(100)
        get = invoke("get", key=key)
        if drawn < reads:
            return [get]
        did = TAKEN_OUT if drawn < reads + removals else ADDED
        return [get, invoke("put", {"did": did, "which": rng.below(1 << 20)}, key=key)]

    numbers = numbered({"put": lambda n, given: {"op": n, **given}}, each_process(draw(turn)))
    return remembering(_seen, _merged, numbers)


def _seen(event: Event) -> Any:
    return event.output if event.f == "get" and event.type == "ok" else None


def _merged(op: Invocation, seen: Any) -> Invocation:
    """The put of everything that the last get of this client showed, with its one change."""
    if op.f != "put":
        return op
    number, did = op.input["op"], op.input["did"]
    seen = seen or {"versions": [], "context": None}
    items = sorted({item for shown in seen["versions"] for item in items_of(shown.get("value"))})
    if did == TAKEN_OUT and items:
        item = items.pop(op.input["which"] % len(items))
    else:  # There is nothing in it to take out.
        did, item = ADDED, number
        items.append(number)
    value = {"op": number, "did": did, "item": item, "items": items}
    given = {"value": value, "context": seen["context"]}
    return Invocation(op.f, given, op.key, op.process, op.time, op.node, op.extra)

"""The checker of shopping carts that are merged by whoever reads them.

An added item is lost where no final read shows it and nobody may have taken it out. One that was
taken out and is there at the end came back: that is what such a merge costs, and it is counted.

Source: DeCandia et al., SOSP 2007, 4.4: "an 'add to cart' operation is never lost. However, deleted
items can resurface."
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from checker.evidence import Evidence, Explanation, in_order
from checker.identity import identity
from checker.wording import asked, listed, of_key, through, value

if TYPE_CHECKING:
    from checker.history.columns import History
    from checker.history.events import Operation
    from checker.identity import Identity
    from checker.verdict import CheckContext, Verdict

ADDED: Final = "add"
TAKEN_OUT: Final = "remove"
CLAIM: Final = "lost-element"


def items_of(cart: Any) -> list[Any]:
    """The items of a version's value; of a tombstone, or of something else, none."""
    items = cart.get("items") if isinstance(cart, dict) else None
    return items if isinstance(items, list) else []


@dataclass(slots=True)
class _OneCart:
    """What was done to one cart. By item: the put that added it, those that took it out."""

    key: Any
    added: dict[Identity, Operation] = field(default_factory=dict)
    taken_out: dict[Identity, list[Operation]] = field(default_factory=dict)
    finals: dict[str, Operation] = field(default_factory=dict)
    """The last final read through each node."""


@dataclass(frozen=True, slots=True)
class Cart:
    """Judges `lost-element` on histories of `get` and `put` of carts."""

    @property
    def name(self) -> str:
        """`cart`."""
        return "cart"

    @property
    def claims(self) -> frozenset[str]:
        """What it can judge."""
        return frozenset({CLAIM})

    def check(self, history: History, context: CheckContext) -> Verdict:
        """Judge every cart."""
        evidence = Evidence(history, context.claims)
        observed = {"items_added": 0, "items_taken_out": 0, "items_that_came_back": 0}
        judged = 0
        for cart in _carts(history):
            if not cart.finals:
                if cart.added:
                    evidence.doubt(f"the cart {value(cart.key)} could not be read at rest", CLAIM)
                continue
            judged += _judge(cart, history.quiescent_time or 0, evidence, observed)
        if not judged:
            evidence.doubt("too little observed: no item was added before the rest", CLAIM)
        return evidence.verdict(observed)


def _carts(history: History) -> list[_OneCart]:
    found: dict[Identity, _OneCart] = {}
    rest = history.quiescent_time
    for operation in history:
        if operation.f not in ("get", "put") or operation.outcome == "fail":
            continue
        cart = found.setdefault(identity(operation.key), _OneCart(operation.key))
        if operation.f == "put":
            did = operation.input["value"]
            if did["did"] == ADDED:
                cart.added[identity(did["item"])] = operation
            else:
                cart.taken_out.setdefault(identity(did["item"]), []).append(operation)
        elif operation.outcome == "ok" and rest is not None and operation.call >= rest:
            cart.finals[operation.node or ""] = operation
    return list(found.values())


def _judge(cart: _OneCart, rest: int, evidence: Evidence, observed: dict[str, int]) -> int:
    """How many items had to be there, or had been taken out."""
    shown = {
        identity(item)
        for read in cart.finals.values()
        for version in read.output["versions"]
        for item in items_of(version.get("value"))
    }
    judged = 0
    for item, put in cart.added.items():
        removals = cart.taken_out.get(item, [])
        settled = put.outcome == "ok" and put.ret is not None and put.ret < rest
        observed["items_added"] += put.outcome == "ok"
        if any(removal.outcome == "ok" for removal in removals):
            observed["items_taken_out"] += 1
            observed["items_that_came_back"] += item in shown
        judged += settled
        if settled and not removals and item not in shown:
            evidence.add(CLAIM, partial(_lost, cart, put))
    return judged


def _lost(cart: _OneCart, put: Operation) -> Explanation:
    reads = [cart.finals[node] for node in sorted(cart.finals)]
    nodes = listed(node for node in sorted(cart.finals) if node)
    return Explanation(
        f"Process {put.process} put item {value(put.input['value']['item'])} into the cart"
        f"{of_key(cart.key)}{through(put)} ({asked(put)}). Nobody took it out, and at rest no read"
        f" through {nodes} shows it.",
        in_order([put, *reads]),
    )

"""The workloads that come with Lineal, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from workloads import (
    bank,
    cart,
    eventual_reads,
    kv,
    list_append,
    membership,
    register,
    sessions,
    set,
    siblings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workloads.workload import Workload


@dataclass(frozen=True, slots=True)
class Named:
    """A workload that can be asked for by name.

    `make` takes the parameters by keyword, each described in `parameters` with its default, and
    raises `WrongParameters` with everything that is wrong with them.
    """

    name: str
    sentence: str
    make: Callable[..., Workload]
    parameters: Mapping[str, str]


WORKLOADS: Final[dict[str, Named]] = {
    named.name: named
    for named in (
        Named(
            "bank",
            "transfers between accounts, and reads of all accounts, as transactions",
            bank.make,
            bank.PARAMETERS,
        ),
        Named(
            "cart",
            "shopping carts that clients merge as they read them, adding items and taking some out",
            cart.make,
            cart.PARAMETERS,
        ),
        Named(
            "eventual-reads",
            "registers with strong reads, and eventual ones that are judged by their slot",
            eventual_reads.make,
            eventual_reads.PARAMETERS,
        ),
        Named(
            "kv",
            "gets, puts, deletes and appends to the strings of a few keys",
            kv.make,
            kv.PARAMETERS,
        ),
        Named(
            "list-append",
            "transactions that append unique elements to lists and read them",
            list_append.make,
            list_append.PARAMETERS,
        ),
        Named(
            "membership",
            "what siblings asks, over more keys, while members come and go",
            membership.make,
            membership.PARAMETERS,
        ),
        Named(
            "register",
            "reads, writes and, where offered, compare-and-sets of single values",
            register.make,
            register.PARAMETERS,
        ),
        Named(
            "sessions",
            "writes and reads of the same clients, some keeping to a node and some roaming",
            sessions.make,
            sessions.PARAMETERS,
        ),
        Named(
            "set",
            "adds unique elements to a few sets and reads them, at the end through every node",
            set.make,
            set.PARAMETERS,
        ),
        Named(
            "siblings",
            "gets, puts and deletes with causal contexts, merging concurrent versions",
            siblings.make,
            siblings.PARAMETERS,
        ),
    )
}

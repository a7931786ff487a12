"""The closed list of finding kinds: what can be wrong, in a word and a sentence each."""

from __future__ import annotations

from typing import Final, Literal, get_args

FindingKind = Literal[
    "not-linearizable",
    "lost-update",
    "false-sibling",
    "resurrection",
    "no-convergence",
    "dishonest-context",
    "read-your-writes",
    "monotonic-reads",
    "monotonic-writes",
    "writes-follow-reads",
    "lost-element",
    "stale-element",
    "phantom-element",
    "duplicate",
    "wrong-total",
    "wrong-slot",
    "did-not-recover",
    "unavailable",
    "node-died",
]

KINDS: Final[dict[FindingKind, str]] = {
    "not-linearizable": "no order of the operations explains every answer",
    "lost-update": "an acknowledged write is gone and nothing that replaced it knew of it",
    "false-sibling": "a read returned a version together with one that had replaced it",
    "resurrection": "a version came back after its delete was acknowledged",
    "no-convergence": "after healing the replicas still disagree",
    "dishonest-context": "a causal context does not cover what was read with it",
    "read-your-writes": "a client did not see its own acknowledged write",
    "monotonic-reads": "a client saw less than it had seen before",
    "monotonic-writes": "a client's later write was seen without its earlier one",
    "writes-follow-reads": "a write was seen without what its writer had read",
    "lost-element": "an acknowledged element is missing at the end",
    "stale-element": "an acknowledged element was missing from a later read",
    "phantom-element": "a read returned an element that nobody added",
    "duplicate": "a read returned an element more than once",
    "wrong-total": "a read of all accounts found more or less money than there is",
    "wrong-slot": "a read returned a value that its key never held at the slot that it names",
    "did-not-recover": "after healing the system did not come to rest within its bound",
    "unavailable": "writes failed though enough nodes were up and connected",
    "node-died": "a node died that nobody had killed",
}

assert set(KINDS) == set(get_args(FindingKind))

FINDINGS_MAX: Final = 20
"""Findings of one kind that a verdict explains; further ones are counted."""

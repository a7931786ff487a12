"""Runs as a report sees them: made up, but of the shapes that real ones have."""

from __future__ import annotations

from typing import Any

from checker.claims import Promises
from checker.history.columns import History
from checker.history.events import NEMESIS, Event
from checker.judgement import Judgement
from checker.verdict import Finding, Verdict
from systems_under_test.rng import Rng

MS = 1_000_000
SECOND = 1_000 * MS
NODES = ("n1", "n2", "n3", "n4", "n5")

META: dict[str, Any] = {
    "format": 1,
    "system": "dynamo",
    "workload": "siblings",
    "environment": "local",
    "nodes": list(NODES),
    "nemesis": "partition,kill,pause",
    "bug": "drop-siblings",
    "seed": 4711,
    "options": {"sloppy": False, "n": 3},
    "limits": {"concurrency": 10, "rate": 50.0, "time_limit_s": 20.0},
    "definition": "lineal.definition:standard",
    "version": "0.1.0",
    "commit": "e08354a2b117",
    "python": "3.11.9",
    "started": "2026-11-21T10:15:00.123+00:00",
    "command": "lineal run dynamo --workload siblings --nemesis partition,kill,pause --seed 4711",
}


class Recording:
    """Lines of a history, in order of time."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def note(self, time: int, f: str, **fields: Any) -> None:
        """A line of the nemesis."""
        self.lines.append({"time": time, "process": NEMESIS, "type": "info", "f": f, **fields})

    def fault(
        self, number: int, f: str, start: int, end: int, *, effect: str = "applied", **given: Any
    ) -> None:
        """A fault and its healing."""
        asked = {"process": NEMESIS, "type": "invoke", "fault": number}
        done = {"process": NEMESIS, "type": "info", "fault": number}
        output = {"effect": effect, "method": "proxy", "evidence": {"cut": 12, "uncut": []}}
        healed = {"effect": "healed", "method": "proxy", "evidence": {"mended": 12}}
        self.lines += [
            {"time": start, "f": f, "input": given} | asked,
            {"time": start + 20 * MS, "f": f, "output": output, **done},
            {"time": end - 10 * MS, "f": "heal", "input": {"fault": number}, **asked},
            {"time": end, "f": "heal", "output": healed, **done},
        ]

    def operation(self, process: int, call: int, ret: int, outcome: str, **fields: Any) -> None:
        """An operation; `output` or `error` goes to its end."""
        ends: dict[str, Any] = {n: fields.pop(n) for n in ("output", "error") if n in fields}
        shared = {"process": process, "f": fields.pop("f"), "node": fields.pop("node", None)}
        key = {"key": fields["key"]} if "key" in fields else {}
        self.lines.append({"time": call, "type": "invoke", **shared, **fields})
        self.lines.append({"time": ret, "type": outcome, **shared, **key, **ends})

    def history(self) -> History:
        """The history of these lines."""
        ordered = sorted(self.lines, key=lambda line: line["time"])
        return History.of(Event(index=i, **line) for i, line in enumerate(ordered))


def recorded(operations: int = 1_000, *, seconds: int = 20, seed: int = 1) -> Recording:
    """Clients that read and write through a partition, a kill and a pause without effect."""
    rng = Rng(f"{seed}/sample")
    recording = Recording()
    length = seconds * SECOND
    halves = {"n1": ["n3", "n4", "n5"], "n2": ["n3", "n4", "n5"]}
    recording.fault(1, "partition", 2 * SECOND, 5 * SECOND, variant="halves", grudge=halves,
                    targets=["n1", "n2"])  # fmt: skip
    recording.fault(2, "kill", 4 * SECOND, 7 * SECOND, targets=["n4"])
    recording.fault(3, "pause", 9 * SECOND, 11 * SECOND, effect="ineffective", targets=["n3"])
    recording.fault(4, "partition", 12 * SECOND, 15 * SECOND, variant="bridge",
                    grudge=halves, targets=[])  # fmt: skip
    recording.note(length + SECOND // 5, "recovered", output={"after_ns": SECOND})
    recording.note(length + SECOND, "quiescent", output={"after_ns": SECOND})
    clients = 10
    processes = list(range(clients))
    free = [0] * clients
    for i in range(operations):
        worker = i % clients
        call = max(free[worker], i * length // operations + rng.below(3 * MS)) + 1
        slow = 2 * SECOND < call < 5 * SECOND or 12 * SECOND < call < 15 * SECOND
        took = MS // 2 + rng.below(2 * MS) * (1 + rng.below(8)) + (slow * rng.below(400) * MS)
        put = rng.below(2)
        fields: dict[str, Any] = {"f": "put" if put else "get", "key": f"k{rng.below(5)}",
                                  "node": rng.choice(NODES)}  # fmt: skip
        if put:
            fields["input"] = {"value": i, "context": None}
        outcome = "ok"
        if slow and rng.below(8) == 0:
            outcome, took = ("info", 900 * MS) if put else ("fail", 900 * MS)
            fields["error"] = rng.choice(["timed out", "503 W not reached", "connection reset"])
        elif put:
            fields["output"] = {"id": f"n1.1.{i}", "context": "opaque"}
        else:
            versions = [{"id": f"n1.1.{i - 1}", "value": i - 1}]
            fields["output"] = {"versions": versions, "context": "opaque"}
        recording.operation(processes[worker], call, call + took, outcome, **fields)
        free[worker] = call + took
        if outcome == "info":
            processes[worker] += clients
    return recording


def invalid(history: History) -> Judgement:
    """A judgement that found a lost update and read your own writes, and measured more."""
    puts = list(history.operations("put", outcome="ok"))
    unknown = list(history.operations("put", outcome="info"))
    gets = list(history.operations("get", outcome="ok"))
    put = next(op for op in puts if op.call > 4 * SECOND)
    lost = Finding(
        "lost-update",
        f'Process {put.process} put 17 of key "k1" through n2 (asked at 4.012 s, answered at '
        f"4.311 s) and was told that it is stored as n2.1.9, but it is lost: at the end the key "
        "was read through n1, n2, n3, n4 and n5 as n4.1.3 (12); nobody who wrote this had seen "
        "n2.1.9, and no delete had covered it. No read ever returned it.",
        (put, *gets[-5:]),
        (1, 2),
        (put, *puts[-3:], *unknown[:1], *gets[-5:]),
    )
    session = Finding(
        "read-your-writes",
        f"Process {put.process} did not see what it had written itself.",
        (put, gets[-1]),
        (1,),
    )
    observed = {
        "operations": len(history),
        "staleness": {"p50": 0, "p99": 3},
        "left_out": {"lost-update": 2},
    }
    recovery = {"recovered_after_ns": SECOND, "ineffective_faults": {"pause": 1}}
    checks = (
        ("siblings", Verdict("invalid", findings=(lost,), observed=observed)),
        ("sessions", Verdict("invalid", findings=(session,))),
        ("statistics", Verdict.unknown("too little observed: no delete ever succeeded")),
        ("recovery", Verdict("valid", observed=recovery)),
    )
    claims = frozenset({"lost-update", "false-sibling", "read-your-writes", "no-convergence"})
    withdrawn = {"monotonic-reads": "reads do not write back what they repair before they answer"}
    return Judgement("invalid", None, checks, Promises(claims, withdrawn))


def valid(history: History) -> Judgement:
    """A judgement that found nothing."""
    claims = frozenset({"lost-update", "false-sibling"})
    checks = (("siblings", Verdict("valid", observed={"siblings_max": 3})),)
    return Judgement("valid", None, checks, Promises(claims))

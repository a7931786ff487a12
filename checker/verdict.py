"""What a checker answers: valid, invalid or unknown, with findings that explain themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from checker.findings import FindingKind
    from checker.history.columns import History
    from checker.history.events import Operation

Status = Literal["valid", "invalid", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One explained violation.

    `sentence` can be pasted into a bug report. `operations` are those that the sentence names;
    `sub_history` is the smallest set of operations that still shows the violation, in order of
    invocation (empty: the operations themselves). `faults` numbers the faults whose windows the
    operations touch. `details` explain further, a line each.
    """

    kind: FindingKind
    sentence: str
    operations: tuple[Operation, ...] = ()
    faults: tuple[int, ...] = ()
    sub_history: tuple[Operation, ...] = ()
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """A three-valued answer.

    `cause` says why the status is unknown. `observed` holds what was measured and is not judged:
    statistics, and counts of findings of a kind that nobody promised to avoid.
    """

    status: Status
    cause: str | None = None
    findings: tuple[Finding, ...] = ()
    observed: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep the three values apart: a finding makes invalid, and unknown has a cause."""
        if (self.status == "invalid") != bool(self.findings):
            raise ValueError(f"a verdict is invalid with findings and only then, not {self!r}")
        if (self.status == "unknown") != (self.cause is not None):
            raise ValueError(f"a verdict is unknown with a cause and only then, not {self!r}")

    def __bool__(self) -> NoReturn:
        """Refuse: `assert verdict` on an unknown verdict would pass silently."""
        raise TypeError("a verdict has three values: compare verdict.status with 'valid'")

    @classmethod
    def of(
        cls, findings: Iterable[Finding], *, observed: Mapping[str, Any] | None = None
    ) -> Verdict:
        """Invalid with these findings, valid if there are none."""
        found = tuple(findings)
        return cls("invalid" if found else "valid", findings=found, observed=observed or {})

    @classmethod
    def unknown(cls, cause: str, *, observed: Mapping[str, Any] | None = None) -> Verdict:
        """Unknown, for this reason."""
        return cls("unknown", cause=cause, observed=observed or {})

    def explain(self) -> str:
        """The verdict in words, one line for each finding."""
        head = self.status if self.cause is None else f"{self.status}: {self.cause}"
        return "\n".join([head, *(f"{f.kind}: {f.sentence}" for f in self.findings)])


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """How much a checker may spend; None is without bound.

    Steps make verdicts the same on every machine, so simulated runs use them alone. Seconds and
    memory are measured by the native core, since nothing in this package reads a clock.
    """

    steps: int | None = None
    seconds: float | None = None
    memory_mb: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckContext:
    """What a checker is told besides the history.

    `claims` are the claims in force (see `checker.claims`): a violation of anything else is
    counted in `observed` and is no finding. `bounds` are the numbers that belong to them.
    """

    claims: frozenset[str] = frozenset()
    bounds: Mapping[str, int] = field(default_factory=dict)
    budget: Budget = Budget()


class Checker(Protocol):
    """Judges one thing."""

    @property
    def name(self) -> str:
        """Its hyphenated name in verdicts and on the command line."""
        ...

    def check(self, history: History, context: CheckContext) -> Verdict:
        """Judge the history. The same history and context give the same verdict."""
        ...

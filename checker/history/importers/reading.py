"""How to read those parts of Jepsen's form that can be read in more than one way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from checker.history.columns import History

Format = Literal["json-lines", "edn", "log"]
Choice = Literal["drop", "observe"]

_REGISTERS: Final = ("register", "cas-register", "multi-register")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Choices; None leaves one to the format. JSON Lines have no choices.

    `failed_cas`: a failed compare-and-set did not happen (`drop`: EDN), or is an answer, that the
    register held another value (`observe`: logs, as Porcupine reads them). `nil_reads`: a read
    that was answered nil tells nothing (`drop`), or that there is nothing (`observe`: what None
    means). `independent`: values are tuples of a key and a value; None: if they all look so.
    `maps_are_txns`: reads and writes of maps are transactions of a multi-register.
    `blank_is_absent`: an absent key holds the empty string, where events have a `:key` and no get
    is answered nil, as in Porcupine's logs of a key-value store.
    """

    failed_cas: Choice | None = None
    nil_reads: Choice | None = None
    independent: bool | None = None
    maps_are_txns: bool = False
    blank_is_absent: bool = True

    def observes_failed_cas(self, format: Format) -> bool:
        """Whether a failed compare-and-set is an answer, in this format."""
        return self.failed_cas == "observe" or (self.failed_cas is None and format == "log")


def reading_for(
    model: str | None,
    initial: Any,
    *,
    failed_cas: Choice | None = None,
    nil_reads: Choice | None = None,
    independent: bool | None = None,
) -> Reading:
    """The choices that this model, which starts at this value (None: its own), suggests.

    A register that starts at 0 never holds nil: reads of nil were not carried out. Whoever says at
    what a map starts says it of absent keys too.
    """
    if nil_reads is None and initial is not None and model in _REGISTERS:
        nil_reads = "drop"
    return Reading(
        failed_cas=failed_cas,
        nil_reads=nil_reads,
        independent=independent,
        maps_are_txns=model == "multi-register",
        blank_is_absent=initial is None,
    )


@dataclass(frozen=True, slots=True)
class Imported:
    """A history, the format in which it was written, and what was decided while reading it.

    `notes` are empty for JSON Lines; otherwise `independent`, `by_time` (False: the order of the
    lines gives the stamps) and `blank_is_absent` tell what was recognized; `failed_cas_dropped`,
    `failed_cas_observed` and `nil_reads_dropped` count.
    """

    history: History
    format: Format
    notes: dict[str, Any]

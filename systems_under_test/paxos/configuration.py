"""The options of a Paxos store: one frozen value, each field with a sentence, a unit, a default.

An option of the command line is a field here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CHOICES: Final = {"engine": ("memory", "sqlite", "lmdb"), "reads": ("lease", "quorum", "eventual")}
SWITCHES: Final = ("archive", "redirect", "repair", "step_down")
MAYBE_ZERO: Final = ("log_replicas", "handover_every_ms", "drift_ppm")
MILLISECONDS_MAX: Final = 3_600_000
AT_MOST: Final = {
    "value_bytes_max": 8 << 20,
    "transaction_bytes_max": 16 << 20,
    "batch_bytes": 8 << 20,
    "key_bytes_max": 16 << 10,
    "transaction_steps_max": 1_000,
    "request_window": 1_000,
}
"""So that no message is longer than a host carries, whatever the state (`message_bytes_max`)."""
MILLION: Final = 1_000_000
MS: Final = 1_000_000
"""Nanoseconds in a millisecond."""


def _option(default: Any, sentence: str, unit: str = "") -> Any:
    return field(default=default, metadata={"sentence": sentence, "unit": unit})


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """How a store is set up. Every replica of a cluster is given the same."""

    engine: str = _option("sqlite", "What the host keeps the data in.")
    reads: str = _option(
        "lease",
        "How a read is answered that does not say: under the leader's lease, after a quorum round, "
        "or by any replica from its own state.",
    )
    log_replicas: int = _option(
        0, "How many of the last nodes wait to stand in as log replicas.", "nodes"
    )
    lease_ms: int = _option(1_000, "L: how long a grantor promises no other ballot.", "ms")
    step_down: bool = _option(True, "Whether a leader that no quorum answers for a lease gives up.")
    drift_ppm: int = _option(
        200_000, "How much too fast or slow a monotonic clock may run.", "parts per million"
    )
    heartbeat_ms: int = _option(100, "How often a leader renews its lease.", "ms")
    suspect_ms: int = _option(
        500, "A follower that has heard no leader for so long asks its peers.", "ms"
    )
    prepare_ms: int = _option(400, "A candidate that has no quorum by then gives up.", "ms")
    redirect: bool = _option(
        False,
        "Whether a node that does not lead sends clients to the leader, instead of asking it.",
    )
    request_timeout_ms: int = _option(
        3_000, "After this a request is answered, be it by a failure.", "ms"
    )
    checkpoint_slots: int = _option(
        256, "After so many applied slots the state is made durable.", "slots"
    )
    batch_bytes: int = _option(1 << 18, "The most that one message of values carries.", "bytes")
    archive: bool = _option(
        False, "Whether the leader brings the log into the object store of its host."
    )
    archive_every_ms: int = _option(
        1_000, "What was chosen waits for so long at most to be archived.", "ms"
    )
    archive_segment_slots: int = _option(
        500, "So many slots are archived at once, however short they have waited.", "slots"
    )
    archive_segment_bytes: int = _option(
        1 << 22, "The same in bytes; no segment is longer than this and one command.", "bytes"
    )
    archive_snapshot_slots: int = _option(
        5_000, "A snapshot is archived after so many slots of segments.", "slots"
    )
    archive_lag_slots: int = _option(
        100_000,
        "The log keeps so many slots for an archive out of reach, then leaves a gap.",
        "slots",
    )
    archive_lag_bytes: int = _option(
        1 << 28, "The same in bytes of commands: the log is in memory.", "bytes"
    )
    archive_keep_ms: int = _option(
        3_600_000, "The retention window: to each second in it can be restored.", "ms"
    )
    request_window: int = _option(16, "Results that are remembered for each session.", "requests")
    session_ttl_ms: int = _option(
        600_000, "An idle session is forgotten when the log has aged by so much.", "ms"
    )
    sessions_max: int = _option(100_000, "Sessions that are remembered.", "sessions")
    results_bytes_max: int = _option(
        1 << 24, "Longer results that are remembered, of all sessions together.", "bytes"
    )
    repair: bool = _option(
        True, "Whether the leader replaces members that lost their disk or do not answer."
    )
    replace_after_ms: int = _option(
        3_000, "A member silent for so long is replaced, where a log replica waits.", "ms"
    )
    handover_every_ms: int = _option(
        0, "How often a leader hands over on its own, as if for a deployment; 0 is never.", "ms"
    )
    value_bytes_max: int = _option(
        1 << 20, "The longest body that is accepted, and the longest value.", "bytes"
    )
    transaction_bytes_max: int = _option(
        1 << 22, "The most that one transaction reads and makes longer.", "bytes"
    )
    key_bytes_max: int = _option(1_024, "The longest key that is accepted.", "bytes")
    transaction_steps_max: int = _option(100, "The most steps of one transaction.", "steps")
    unchosen_max: int = _option(
        10_000, "Slots that wait for a quorum, beyond which a leader refuses more.", "slots"
    )
    unchosen_bytes_max: int = _option(
        1 << 24, "Bytes that wait for a quorum, beyond which a leader refuses more.", "bytes"
    )
    requests_max: int = _option(
        10_000, "Open requests of a node, beyond which it refuses more.", "requests"
    )

    @property
    def lease(self) -> int:
        """L in nanoseconds, for grantors."""
        return self.lease_ms * MS

    @property
    def leader_lease(self) -> int:
        """L(1-r)/(1+r) in nanoseconds, for the leader."""
        return self.lease * (MILLION - self.drift_ppm) // (MILLION + self.drift_ppm)

    @property
    def session_ttl(self) -> int:
        """`session_ttl_ms` in nanoseconds."""
        return self.session_ttl_ms * MS

    @property
    def aging_max(self) -> int:
        """By how much the log ages at most from one slot to the next, in nanoseconds."""
        return self.session_ttl // 16

    @property
    def message_bytes_max(self) -> int:
        """No message between replicas is longer, whatever the state.

        The longest are parts of a snapshot: half a batch of rows and one row beyond it, which is a
        value or a transaction's results, and as much of the log. Whatever is added to these, a
        sentence with a key or the head with its configuration, is far less than a MiB.
        """
        row = self.transaction_bytes_max + self.key_bytes_max
        command = 2 * self.value_bytes_max
        return self.batch_bytes + row + command + (1 << 20)

    @property
    def command_age(self) -> int:
        """How old a command may be when it is carried out, in nanoseconds of the log's age.

        Half of a session's life: a repetition that is taken in during the first half of it is
        carried out, if late, while the session is still known.
        """
        return self.session_ttl // 2


OPTIONS: Final = {option.name: option for option in fields(Configuration)}


def option_docs() -> dict[str, str]:
    """Each option with its sentence, its unit or its choices, and its default."""
    return {
        name: f"{option.metadata['sentence']} {_what(name)}; default {_shown(option.default)}."
        for name, option in OPTIONS.items()
    }


def _what(name: str) -> str:
    if name in CHOICES:
        return f"One of {', '.join(CHOICES[name])}"
    return "On or off" if name in SWITCHES else f"In {OPTIONS[name].metadata['unit']}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def parse(options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options as fields, and what is wrong with them in sentences.

    Values may be typed or text, as the command line gives them: `3` or `"3"`, `true` or `"on"`.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for given, value in options.items():
        name = given.replace("-", "_")
        if name not in OPTIONS:
            problems.append(f"paxos has no option {given!r}; it has {', '.join(sorted(OPTIONS))}")
            continue
        try:
            values[name] = _typed(name, value)
        except ValueError as error:
            problems.append(str(error))
    return values, problems


def _typed(name: str, value: Any) -> Any:
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise ValueError(f"{name} must be {' or '.join(CHOICES[name])}, not {value!r}")
        return value
    if name in SWITCHES:
        switch = {"on": True, "true": True, "off": False, "false": False}.get(str(value).lower())
        if switch is None:
            raise ValueError(f"{name} must be on or off, not {value!r}")
        return switch
    try:
        if isinstance(value, bool | float):
            raise ValueError
        return int(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a whole number, not {value!r}") from None


def configure(options: Mapping[str, Any]) -> Configuration:
    """The configuration that these options give. Raises ValueError naming every problem."""
    values, problems = parse(options)
    if problems:
        raise ValueError("; ".join(problems))
    return Configuration(**values)


def problems_of(options: Mapping[str, Any], nodes: tuple[str, ...]) -> list[str]:
    """Everything that is wrong with these options on these nodes; empty if nothing is."""
    values, problems = parse(options)
    if problems:
        return problems
    c = Configuration(**values)
    for name, option in OPTIONS.items():
        low = 0 if name in MAYBE_ZERO else 1
        if option.type == "int" and getattr(c, name) < low:
            problems.append(f"{name} must be at least {low}, not {getattr(c, name)}")
        most = MILLISECONDS_MAX if name.endswith("_ms") else AT_MOST.get(name)
        if most is not None and getattr(c, name) > most:
            problems.append(f"{name} must be at most {most}, not {getattr(c, name)}")
    if c.transaction_bytes_max < c.value_bytes_max:
        problems.append("transaction_bytes_max must be at least value_bytes_max: one value is read")
    if c.results_bytes_max < c.transaction_bytes_max:
        problems.append("results_bytes_max must be at least transaction_bytes_max: one is kept")
    if c.drift_ppm >= MILLION // 2:
        problems.append(f"drift_ppm={c.drift_ppm} leaves a leader no lease worth the name")
    if len(nodes) - c.log_replicas not in (3, 5):
        problems.append(
            f"a group has 3 or 5 storage replicas, not {len(nodes) - c.log_replicas}: "
            f"--nodes 3 or 5, and one more for each of log_replicas={c.log_replicas}"
        )
    if 3 * c.heartbeat_ms > min(c.suspect_ms, c.lease_ms):
        problems.append("heartbeat_ms must be at most a third of suspect_ms and of lease_ms")
    return problems

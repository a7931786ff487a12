"""Every knob of the simulation, with a sentence and a unit each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from systems_under_test.environments.cluster import LinkQuality
from systems_under_test.environments.simulated.latency import Exponential, Uniform

if TYPE_CHECKING:
    from systems_under_test.environments.simulated.latency import Latency

_LAN: Final = Exponential(200_000, 1_000_000)
_NEAR: Final = Uniform(1_000, 20_000)
_SYNC: Final = Uniform(100_000, 2_000_000)
_OBJECTS: Final = Uniform(5_000_000, 50_000_000)
_PERFECT: Final = LinkQuality()


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulationOptions:
    """How the simulated world behaves when no fault is injected, and where its bounds are."""

    peer_latency: Latency = _LAN
    """What a message between nodes takes, in nanoseconds; drawn for each, so messages overtake."""
    client_latency: Latency = _NEAR
    """What a request takes to a node, and its reply back. Short: long ones hide anomalies."""
    commit_latency: Latency = _SYNC
    """What a durable commit takes, in nanoseconds."""
    object_latency: Latency = _OBJECTS
    """What a request to the object store takes until its answer is there, in nanoseconds."""
    effect_gap: Latency = _NEAR
    """What passes between two effects of one batch; a crash can strike in every gap."""
    baseline: LinkQuality = _PERFECT
    """What every link does that no fault shapes."""
    reorder_ns: int = 20_000_000
    """A reordered message is held back by up to so many nanoseconds."""
    batch_commits: bool = True
    """Handle inputs while a commit is in flight, and commit what they write together."""
    power_loss: Literal["prefix", "subset"] = "prefix"
    """What of the un-synced inputs survives power loss: the first ones, or any of them. The
    second is more than the replica port allows: a disk that reorders across inputs."""
    torn_ppm: int = 500_000
    """So many power losses leave the first lost append half-written, in parts per million."""
    unsynced_inputs_max: int = 10_000
    """From so many un-synced inputs on the older half is written back."""
    inbox_inputs_max: int = 10_000
    """So many inputs wait for a paused node; further messages and requests are dropped."""
    held_messages_max: int = 100_000
    """So many messages wait on a held link; further ones are dropped."""
    log_lines_max: int = 100_000
    """So many lines are kept of each node's log; older ones are forgotten."""
    wall_skew_ns: int = 0
    """Each node's wall clock starts off by at most so many nanoseconds, drawn once."""
    from_earlier_lives: bool = False
    """Deliver messages of a life that ended also after its node has been started again."""
    probe_tries: int = 8
    """A probe sends so many messages over a link; one that passes is enough."""

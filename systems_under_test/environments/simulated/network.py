"""The network between the nodes: one directed link for each pair, and one rule for what passes."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from systems_under_test.environments.cluster import EnvironmentFailed, LinkQuality
from systems_under_test.environments.narrow import Narrow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from systems_under_test.environments.cluster import Link
    from systems_under_test.environments.simulated.kernel import Kernel
    from systems_under_test.environments.simulated.life import Life
    from systems_under_test.environments.simulated.node import SimulatedNode
    from systems_under_test.environments.simulated.options import SimulationOptions
    from systems_under_test.rng import Rng


TRIAL_BYTES: Final = 64
"""A message that is sent to see how long it takes is as small as any."""


@dataclass(slots=True)
class Message:
    """A message on its way, in bytes as on a wire."""

    channel: Channel
    sender: Life
    departure: int
    """When it leaves the sender; one that died before has never sent it."""
    incarnation: int
    """The receiver's life when it was sent."""
    payload: bytes


class Dice:
    """The random streams of a link, one for each concern."""

    __slots__ = ("duplicate", "jitter", "latency", "loss", "reorder")

    def __init__(self, rng: Rng) -> None:
        self.latency = rng.stream("latency")
        self.loss = rng.stream("loss")
        self.duplicate = rng.stream("duplicate")
        self.reorder = rng.stream("reorder")
        self.jitter = rng.stream("jitter")


class Channel:
    """A directed link: its state, its counters, and the messages that it holds."""

    __slots__ = (
        "cut", "delayed", "dice", "dropped", "duplicated", "held", "link", "narrow", "passed",
        "plain", "quality", "receiver", "sender", "stale",
    )  # fmt: skip

    def __init__(self, sender: SimulatedNode, receiver: SimulatedNode, dice: Dice) -> None:
        self.link: Link = (sender.name, receiver.name)
        self.sender = sender
        self.receiver = receiver
        self.dice = dice
        self.cut = False
        self.quality = LinkQuality()
        self.plain = True
        """Neither cut nor of any quality: the common case, tested first."""
        self.held: list[Message] = []
        self.narrow = Narrow()
        self.passed = self.dropped = self.delayed = self.duplicated = self.stale = 0

    def counters(self) -> dict[str, int]:
        """What became of the messages; `stale` ones were for or from a life that had ended."""
        return {
            "passed": self.passed,
            "dropped": self.dropped,
            "delayed": self.delayed,
            "duplicated": self.duplicated,
            "held": len(self.held),
            "stale": self.stale,
        }


class Network:
    """Carries messages from life to life."""

    def __init__(self, kernel: Kernel, options: SimulationOptions, rng: Rng) -> None:
        self._kernel = kernel
        self._options = options
        self._rng = rng
        self._probe = Dice(rng.stream("probe"))
        self._trial = Dice(rng.stream("trial"))
        self.channels: dict[Link, Channel] = {}

    def connect(self, nodes: Iterable[SimulatedNode]) -> None:
        """Lay a channel for every ordered pair."""
        nodes = tuple(nodes)
        for sender in nodes:
            for receiver in nodes:
                if sender is not receiver:
                    name = f"{sender.name}->{receiver.name}"
                    channel = Channel(sender, receiver, Dice(self._rng.stream(name)))
                    self.channels[channel.link] = sender.channels[receiver.name] = channel
        self.shape({})

    # --- what the nemesis does ---

    def set_cut(self, links: Iterable[Link]) -> None:
        """Cut these and mend all others."""
        wanted = frozenset(links)
        self._known(wanted)
        for channel in self.channels.values():
            self._change(channel, cut=channel.link in wanted, quality=channel.quality)

    def shape(self, qualities: Mapping[Link, LinkQuality]) -> None:
        """Give these links these qualities, and all others the baseline."""
        self._known(qualities)
        for channel in self.channels.values():
            quality = qualities.get(channel.link, self._options.baseline)
            self._change(channel, cut=channel.cut, quality=quality)

    def probe(self, links: Iterable[Link]) -> dict[Link, bool]:
        """Whether a message passes, by the very rules that messages pass by."""
        asked = sorted(links)
        self._known(asked)
        tries = range(self._options.probe_tries)
        return {
            link: any(self._passes(self.channels[link], self._probe) for _ in tries)
            for link in asked
        }

    def latencies(self, links: Iterable[Link]) -> dict[Link, int | None]:
        """How long a message would take, by the very rules; None if it would not come out."""
        asked = sorted(links)
        self._known(asked)
        return {link: self._latency(self.channels[link]) for link in asked}

    def _latency(self, channel: Channel) -> int | None:
        quality, dice = channel.quality, self._trial
        alive = channel.sender.life is not None and channel.receiver.life is not None
        if not alive or not self._passes(channel, dice):
            return None
        took = self._options.peer_latency.draw(dice.latency) + self._lateness(quality, dice)
        if quality.rate_bytes_s:
            line = copy(channel.narrow)  # A trial takes nobody's turn.
            turn = line.delay_ns(TRIAL_BYTES, quality.rate_bytes_s, self._kernel.now)
            return None if turn is None else took + turn
        return took

    def _known(self, links: Iterable[Link]) -> None:
        unknown = sorted(link for link in links if link not in self.channels)
        if unknown:
            raise EnvironmentFailed(f"no such links: {unknown}")

    def _change(self, channel: Channel, *, cut: bool, quality: LinkQuality) -> None:
        channel.cut, channel.quality = cut, quality
        channel.plain = not cut and quality == LinkQuality()
        if channel.held and not quality.hold:
            held, channel.held = channel.held, []
            for message in held:
                delay = self._options.peer_latency.draw(channel.dice.latency)
                self._kernel.push(self._kernel.now + delay, self.arrive, message)

    # --- what messages go through ---

    def _passes(self, channel: Channel, dice: Dice) -> bool:
        """Whether a message that enters this channel comes out of it."""
        quality = channel.quality
        if channel.cut or quality.hold:
            return False
        return not (quality.loss_ppm and dice.loss.chance(quality.loss_ppm))

    def send(self, channel: Channel, sender: Life, payload: bytes, departure: int) -> None:
        """Send bytes to whoever lives at the other end now."""
        message = Message(channel, sender, departure, channel.receiver.count, payload)
        delay = self._options.peer_latency.draw(channel.dice.latency)
        if not channel.plain:
            if not self._passes(channel, channel.dice):
                self._stop(channel, message)
                return
            extra = self._disturb(channel, message)
            if extra is None:
                channel.dropped += 1
                return
            delay += extra
        self._kernel.push(departure + delay, self.arrive, message)

    def _stop(self, channel: Channel, message: Message) -> None:
        """Keep a message that does not pass until it is released, or drop it."""
        if (
            channel.quality.hold
            and not channel.cut
            and len(channel.held) < self._options.held_messages_max
        ):
            channel.held.append(message)
            channel.delayed += 1
        else:
            channel.dropped += 1

    def _disturb(self, channel: Channel, message: Message) -> int | None:
        """The further delay of a message by the channel's quality; may send it a second time.

        None if a narrow channel has no room for it.
        """
        quality, dice = channel.quality, channel.dice
        extra = self._lateness(quality, dice)
        if quality.rate_bytes_s:
            size, rate = len(message.payload), quality.rate_bytes_s
            turn = channel.narrow.delay_ns(size, rate, message.departure)
            if turn is None:
                return None
            extra += turn
        if extra:
            channel.delayed += 1
        if quality.duplicate_ppm and dice.duplicate.chance(quality.duplicate_ppm):
            channel.duplicated += 1
            again = self._options.peer_latency.draw(dice.duplicate)
            self._kernel.push(message.departure + extra + again, self.arrive, message)
        return extra

    def _lateness(self, quality: LinkQuality, dice: Dice) -> int:
        """How much later a message comes; its turn on a narrow line left out."""
        late = quality.delay_ns
        if quality.jitter_ns:
            late += dice.jitter.below(quality.jitter_ns + 1)
        if quality.reorder_ppm and dice.reorder.chance(quality.reorder_ppm):
            late += dice.reorder.between(1, self._options.reorder_ns)
        return late

    def arrive(self, message: Message) -> None:
        """Hand a message over, if it was sent at all, still may pass, and finds its addressee."""
        channel, sender = message.channel, message.sender
        if message.departure >= sender.died_at:
            return
        if not channel.plain and (channel.cut or channel.quality.hold):
            self._stop(channel, message)
            return
        receiver = channel.receiver.life
        if receiver is None or receiver.incarnation != message.incarnation:
            channel.stale += 1
            return
        if channel.sender.count != sender.incarnation and not self._options.from_earlier_lives:
            channel.stale += 1
            return
        channel.passed += 1
        receiver.receive(channel.link[0], sender.incarnation, message.payload)

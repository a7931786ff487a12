"""All the directed links of a cluster, each through a proxy of the harness's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from systems_under_test.environments.local.proxy import CLEAR, LinkProxy
from systems_under_test.environments.narrow import QUEUE_NS_MAX
from systems_under_test.rng import Rng

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from systems_under_test.environments.cluster import Link, LinkQuality
    from systems_under_test.environments.local.loop_thread import LoopThread

Address = tuple[str, int]

LISTEN_S_MAX: Final = 10.0
BILLION: Final = 1_000_000_000


class ProxiedLinks:
    """The proxies of a cluster. Its methods are called from any thread but the loop's own."""

    def __init__(self, loop: LoopThread, *, seed: int) -> None:
        self._loop = loop
        self._seed = seed
        self.proxies: dict[Link, LinkProxy] = {}

    def listen(self, host: str, receivers: Mapping[str, Address]) -> dict[Link, Address]:
        """A proxy for each directed link between these nodes; where its sender enters."""

        async def listening() -> dict[Link, Address]:
            entrances: dict[Link, Address] = {}
            for sender in receivers:
                for receiver, address in receivers.items():
                    if sender != receiver:
                        rng = Rng(f"{self._seed}/net/{sender}->{receiver}")
                        proxy = LinkProxy(receiver=address, rng=rng)
                        self.proxies[sender, receiver] = proxy
                        entrances[sender, receiver] = await proxy.listen(host)
            return entrances

        return self._loop.run(listening(), timeout_s=LISTEN_S_MAX, what="opening proxies")

    def set_cut(self, cut: Collection[Link]) -> None:
        """Cut exactly these links."""

        def act() -> None:
            for link, proxy in self.proxies.items():
                proxy.set_cut(link in cut)

        self._loop.do(act, what="cutting links")

    def shape(self, qualities: Mapping[Link, LinkQuality]) -> None:
        """Give exactly these links these qualities, and all others none."""

        def act() -> None:
            for link, proxy in self.proxies.items():
                proxy.set_quality(qualities.get(link, CLEAR))

        self._loop.do(act, what="shaping links")

    def qualities(self) -> dict[Link, LinkQuality]:
        """The qualities of all links now."""
        return {link: proxy.quality for link, proxy in self.proxies.items()}

    def slowness_s(self, link: Link) -> float:
        """How much later than otherwise a message of this link may come; one without a proxy: 0."""
        if link not in self.proxies:
            return 0.0
        quality = self.proxies[link].quality
        queue_ns = QUEUE_NS_MAX if quality.rate_bytes_s else 0
        return (quality.delay_ns + quality.jitter_ns + queue_ns) / BILLION

    def counters(self) -> dict[Link, Mapping[str, int]]:
        """`passed`, `dropped`, `delayed`, `duplicated` of each link since the start of the run."""
        return {link: dict(proxy.counters) for link, proxy in self.proxies.items()}

    def close(self) -> None:
        """End every link."""

        def act() -> None:
            for proxy in self.proxies.values():
                proxy.close()

        self._loop.do(act, what="closing links")

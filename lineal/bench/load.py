"""What is asked in a benchmark, and what is found: values that both processes understand."""

from __future__ import annotations

import msgspec


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request; `{key}` in the target is replaced by a number below `keys`.

    `body` is text: a JSON value, or whatever the system takes.
    """

    name: str
    method: str
    target: str
    body: str = ""
    headers: dict[str, str] = {}

    def to(self, key: int) -> tuple[str, str]:
        """Method and path for a key."""
        return self.method, self.target.replace("{key}", str(key))


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """So many closed-loop clients, each asking again as soon as it is answered.

    Client i asks the address i mod their number. What is answered in the first `warm_up_s` counts
    for nothing.
    """

    asked: Asked
    addresses: list[tuple[str, int]]
    clients: int
    keys: int
    warm_up_s: float
    measured_s: float


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests were answered 2xx in the measured time, and otherwise; latencies in ns."""

    acknowledged: int
    refused: int
    seconds: float
    latency_ns: dict[str, int]
    cpu_s: float

    @property
    def rate(self) -> float:
        """Acknowledged requests per second."""
        return self.acknowledged / self.seconds

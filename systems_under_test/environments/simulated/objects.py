"""A simulated object store that the nodes of a cluster share: slow, and down when it is told to be.

What a node that dies had asked for may still be done: its request was under way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from systems_under_test.environments.simulated.calls import NEVER
from systems_under_test.replica import ObjectAnswer

if TYPE_CHECKING:
    from systems_under_test.environments.simulated.kernel import Kernel
    from systems_under_test.environments.simulated.life import Life
    from systems_under_test.environments.simulated.options import SimulationOptions
    from systems_under_test.replica import ObjectRequest
    from systems_under_test.rng import Rng


class SimulatedObjects:
    """Objects by name, each with its checksum. `down`: whatever is asked fails."""

    def __init__(self, kernel: Kernel, options: SimulationOptions, rng: Rng) -> None:
        self._kernel = kernel
        self._options = options
        self._rng = rng
        self.contents: dict[str, tuple[bytes, int]] = {}
        self.down = False

    def ask(self, life: Life, asked: ObjectRequest, time: int) -> None:
        """Perform a request that leaves a node at this time; the answer comes later."""
        delay = self._options.object_latency.draw(self._rng)
        self._kernel.push(time + delay, self._perform, (life, asked, time))

    def flip(self, name: str) -> None:
        """Flip a bit of an object at rest."""
        content, crc = self.contents[name]
        bit = self._rng.below(8 * len(content))
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        self.contents[name] = bytes(flipped), crc

    def _perform(self, asked: tuple[Life, ObjectRequest, int]) -> None:
        life, request, left = asked
        if life.died_at != NEVER and life.died_at <= left:
            return
        answer = self._answer(request)
        if life.died_at == NEVER:
            life.offer(answer)

    def _answer(self, asked: ObjectRequest) -> ObjectAnswer:
        verb, name = asked.verb, asked.name
        if self.down:
            return ObjectAnswer(verb, name, "failed", reason="the object store is down")
        if verb == "list":
            names = sorted(known for known in self.contents if known.startswith(name))
            return ObjectAnswer(verb, name, "done", names=tuple(names))
        if verb == "put":
            self.contents[name] = asked.content, crc32(asked.content)
        elif verb == "delete":
            self.contents.pop(name, None)
        elif name not in self.contents:
            return ObjectAnswer(verb, name, "absent")
        else:
            content, crc = self.contents[name]
            if crc32(content) != crc:
                return ObjectAnswer(verb, name, "damaged", reason=f"{name}: a bad checksum")
            return ObjectAnswer(verb, name, "done", content=content)
        return ObjectAnswer(verb, name, "done")

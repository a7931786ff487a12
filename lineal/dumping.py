"""The `dump` operation, which every workload has besides its own: what a node holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workloads.client import Completion, Failure, Request

if TYPE_CHECKING:
    from systems_under_test.system import BundledSystem
    from workloads.client import Codec, Reply
    from workloads.invocations import Invocation


@dataclass(frozen=True, slots=True)
class DumpingCodec:
    """A workload's codec that also carries `dump`."""

    system: BundledSystem
    codec: Codec

    def encode(self, invocation: Invocation, request_id: str) -> Request:
        """The system's dump request, or what the workload's codec makes of it."""
        if invocation.f == "dump" and self.system.dump_request is not None:
            return self.system.dump_request
        return self.codec.encode(invocation, request_id)

    def decode(self, invocation: Invocation, reply: Reply | Failure) -> Completion:
        """A dump is pure: without a good reply it surely did nothing."""
        if invocation.f != "dump":
            return self.codec.decode(invocation, reply)
        if isinstance(reply, Failure):
            return Completion("fail", error=reply.reason)
        if reply.status != 200:
            return Completion("fail", error=f"status {reply.status}")
        try:
            return Completion("ok", output=self.system.decode_dump(reply))
        except ValueError as reason:  # Half of what a node holds would be taken for a loss.
            return Completion("fail", error=str(reason))

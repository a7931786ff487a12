"""What a replica may return. What it may not ends its life here, and no other run of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from systems_under_test.host.storage import check_file_name
from systems_under_test.replica import Append, AppendLater

if TYPE_CHECKING:
    from systems_under_test.environments.simulated.disk import Change
    from systems_under_test.replica import CancelTimer, Respond, SetTimer


class ContractBroken(Exception):
    """A replica returned something that the port does not allow; ends its life."""


_APPENDS = (Append, AppendLater)


def check_change(change: Change) -> None:
    """Raise ContractBroken, or ValueError for a file that may not be called so."""
    if isinstance(change, _APPENDS):
        check_file_name(change.file)
        if type(change.record) is not bytes:
            raise ContractBroken(f"{change!r}: a record is bytes")
    elif type(change.key) is not bytes or type(change.value) not in (bytes, type(None)):
        raise ContractBroken(f"{change!r}: a key is bytes, and so is a value that is not None")


def check_timer(effect: SetTimer | CancelTimer) -> None:
    """Raise ContractBroken unless the delay is a whole number of nanoseconds."""
    delay = getattr(effect, "delay", 0)
    if type(delay) is not int:
        raise ContractBroken(f"{effect!r}: a delay is a whole number of nanoseconds")


def check_reply(effect: Respond) -> None:
    """Raise ContractBroken unless HTTP could carry it."""
    texts = (*effect.headers, *effect.headers.values())
    if type(effect.body) is not bytes or not all(type(text) is str for text in texts):
        raise ContractBroken(f"{effect!r}: a body is bytes, and headers are texts")
    if not 100 <= effect.status <= 599:
        raise ContractBroken(f"{effect!r}: {effect.status} is no status of HTTP")

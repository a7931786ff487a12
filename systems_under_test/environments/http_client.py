"""A small HTTP client for workers: one node, one thread, a hard deadline for the whole call.

It says what is known and no more. A request is sent at most once; a failure is definite only if
not a byte of the request had been handed to the operating system.
"""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING, Final

from workloads.client import Failure, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.client import Request

Address = tuple[str, int]

HEAD_BYTES_MAX: Final = 64 * 1024
BODY_BYTES_MAX: Final = 64 * 2**20
_CHUNK: Final = 64 * 1024


class _Broken(Exception):
    """The reply did not come, or is none."""


class HttpClient:
    """A connection to one node, kept alive between calls. Used by one thread at a time."""

    def __init__(self, address: Address) -> None:
        """Connects at the first call."""
        self._address = address
        self._host = f"{address[0]}:{address[1]}"
        self._socket: socket.socket | None = None

    def call(self, request: Request, timeout_s: float) -> Reply | Failure:
        """Send the request once and wait for the reply, all within the time-out.

        Never raises for what a server or a network may do.
        """
        deadline = time.monotonic() + timeout_s
        try:
            connection = self._usable()
            if connection is None:
                connection = self._connect(deadline)
        except OSError as error:
            return Failure(f"cannot connect to {self._host}: {_reason(error)}", definite=True)
        try:
            _limit(connection, deadline)
            connection.sendall(_rendered(request, self._host))
            reply, keep = _receive(connection, deadline, bodiless=request.method == "HEAD")
        except (OSError, _Broken) as error:
            self.close()
            return Failure(f"no reply from {self._host}: {_reason(error)}", definite=False)
        except BaseException:
            self.close()  # A late reply must not be taken for the reply to the next request.
            raise
        if not keep:
            self.close()
        return reply

    def close(self) -> None:
        """Let go of the connection; the next call makes a new one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _usable(self) -> socket.socket | None:
        """The kept connection, unless it can be seen to have ended before anything is sent."""
        if self._socket is not None:
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            # Nothing may come between calls: what can be read is the end, or nonsense.
            if poll.poll(0):
                self.close()
        return self._socket

    def _connect(self, deadline: float) -> socket.socket:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._socket = socket.create_connection(self._address, timeout=left_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket


def _rendered(request: Request, host: str) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/1.1", f"host: {host}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if request.body or request.method in ("PUT", "POST", "PATCH"):
        lines.append(f"content-length: {len(request.body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + request.body


def _receive(connection: socket.socket, deadline: float, *, bodiless: bool) -> tuple[Reply, bool]:
    """The reply, and whether the connection may be used again. Raises OSError, _Broken."""
    data = bytearray()
    end = -1
    while end < 0:
        if len(data) > HEAD_BYTES_MAX:
            raise _Broken(f"the head of the reply is longer than {HEAD_BYTES_MAX} bytes")
        data += _more(connection, deadline)
        end = data.find(b"\r\n\r\n")
    status, headers = _head(bytes(data[:end]))
    del data[: end + 4]
    if bodiless or status in (204, 304):
        length: int | None = 0
    else:
        length = _length(headers)
    while length is None or len(data) < length:
        if len(data) > BODY_BYTES_MAX:
            raise _Broken(f"the body of the reply is longer than {BODY_BYTES_MAX} bytes")
        chunk = _more(connection, deadline, end_is_fine=length is None)
        if not chunk:
            break
        data += chunk
    keep = length is not None and len(data) == length
    keep = keep and headers.get("connection", "").lower() != "close"
    return Reply(status, headers, bytes(data[:length])), keep


def _more(connection: socket.socket, deadline: float, *, end_is_fine: bool = False) -> bytes:
    _limit(connection, deadline)
    chunk = connection.recv(_CHUNK)
    if not chunk and not end_is_fine:
        raise _Broken("the connection was closed before the reply was complete")
    return chunk


def _limit(connection: socket.socket, deadline: float) -> None:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("timed out")
    connection.settimeout(left_s)


def _head(head: bytes) -> tuple[int, Mapping[str, str]]:
    first, *rest = head.decode("latin-1").split("\r\n")
    version, _, status = first.partition(" ")
    if not version.startswith("HTTP/1.") or not status[:3].isdecimal():
        raise _Broken(f"this is no HTTP reply: {first[:80]!r}")
    headers = {}
    for line in rest:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(status[:3]), headers


def _length(headers: Mapping[str, str]) -> int | None:
    """The length of the body; None where it lasts until the connection ends."""
    if "transfer-encoding" in headers:
        raise _Broken("transfer codings are not understood")
    text = headers.get("content-length")
    if text is None:
        return None
    if not text.isdecimal():
        raise _Broken(f"content-length {text[:40]!r}")
    return int(text)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)

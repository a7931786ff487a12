"""The head of an HTTP/1.1 request: what is understood, and with which status the rest is refused.

Pure: bytes in, a `Head` or a `Refused` out. RFC 9110 and 9112; no transfer codings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD_BYTES_MAX: Final = 16 * 1024
BODY_BYTES_MAX: Final = 8 * 2**20
METHODS: Final = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"})

OWN_PREFIX: Final = "x-lineal-"
"""Of the headers that say something to a bundled system: none of them is a list."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET: Final = re.compile(r"[!-~]+")
_LENGTH: Final = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Head:
    """A request up to its body. Header names are lower case; repeated ones joined by a comma."""

    method: str
    target: str
    headers: Mapping[str, str]
    body_bytes: int
    keep_alive: bool
    expects_continue: bool


class Refused(Exception):
    """A request that cannot be answered but by this status; the connection ends with it."""

    headers: Final = {"content-type": "application/json"}

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason

    def body(self) -> bytes:
        """The reason as the stores give theirs. Definite: no replica has seen the request."""
        return msgspec.json.encode({"error": self.reason, "definite": True}) + b"\n"


def parse_head(head: bytes) -> Head:
    """Read a head without the empty line that ends it. Raises Refused."""
    lines = head.decode("latin-1").split("\r\n")
    method, target, version = _request_line(lines[0])
    headers = _headers(lines[1:])
    connection = headers.get("connection", "").lower()
    keep_alive = version == "HTTP/1.1" and "close" not in connection
    return Head(
        method=method,
        target=target,
        headers=headers,
        body_bytes=_body_bytes(headers),
        keep_alive=keep_alive,
        expects_continue=headers.get("expect", "").lower() == "100-continue",
    )


def _request_line(line: str) -> tuple[str, str, str]:
    parts = line.split(" ")
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]) or not _TARGET.fullmatch(parts[1]):
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            "The request line is not 'METHOD target HTTP/1.1'.",
        )
    method, target, version = parts
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise Refused(
            HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "This node speaks HTTP/1.1 and HTTP/1.0."
        )
    if method not in METHODS:
        raise Refused(
            HTTPStatus.NOT_IMPLEMENTED,
            f"The method is none of {', '.join(sorted(METHODS))}.",
        )
    if not target.startswith("/") and target != "*":
        raise Refused(HTTPStatus.BAD_REQUEST, "The request target does not begin with '/'.")
    return method, target, version


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if not colon or not _TOKEN.fullmatch(name) or any(c < " " and c != "\t" for c in value):
            raise Refused(HTTPStatus.BAD_REQUEST, "A header line is not 'Name: value'.")
        name = name.lower()
        if name in headers and name.startswith(OWN_PREFIX):
            # Joined by a comma, as lists are, two ids would be one of another session.
            raise Refused(HTTPStatus.BAD_REQUEST, f"The header {name} is given twice.")
        if name in headers:
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers


def _body_bytes(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise Refused(
            HTTPStatus.NOT_IMPLEMENTED,
            "Transfer codings are not understood; send the body with a Content-Length.",
        )
    length = headers.get("content-length", "0")
    if not _LENGTH.fullmatch(length):
        # Two lengths were joined by a comma and end here too: which of them to believe is a guess.
        raise Refused(HTTPStatus.BAD_REQUEST, "The Content-Length is not one number.")
    if int(length) > BODY_BYTES_MAX:
        raise Refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The body is longer than {BODY_BYTES_MAX} bytes.",
        )
    return int(length)


def render_reply(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    keep_alive: bool,
    with_body: bool = True,
) -> bytes:
    """The bytes of a reply. Raises ValueError for a status or header that HTTP cannot carry."""
    if not 200 <= status <= 599:
        raise ValueError(f"a reply with status {status}")
    lines = [f"HTTP/1.1 {status} {_phrase(status)}"]
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or "\r" in value or "\n" in value:
            raise ValueError(f"a reply with the header {name!r}: {value!r}")
        if name.lower() not in ("content-length", "connection"):
            lines.append(f"{name}: {value}")
    if status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        lines.append(f"content-length: {len(body)}")
    else:
        with_body = False
    if not keep_alive:
        lines.append("connection: close")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head + body if with_body else head


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"

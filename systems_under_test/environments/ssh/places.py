"""Where nodes are, as people write it, and how the machines are reached."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORM: Final = "[NAME=][USER@]HOST[:PORT]"
PORT_MAX: Final = 65_535
CARRIED: Final = frozenset({"loss_ppm", "hold"})
"""The fields of `LinkQuality` that the packet filters of machines carry."""


@dataclass(frozen=True, slots=True)
class Place:
    """A machine for one node. What is None is taken from the user's SSH configuration."""

    name: str
    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        """As messages name it: `n1 (root@10.0.0.1:22)`."""
        user = "" if self.user is None else f"{self.user}@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.name} ({user}{host}{'' if self.port is None else f':{self.port}'})"


@dataclass(frozen=True, kw_only=True, slots=True)
class SshOptions:
    """How the machines are reached, and what is used of them."""

    config: Path | None = None
    """The SSH configuration; None: `~/.ssh/config` where there is one."""
    known_hosts: Path | None = None
    """The host keys that are trusted; None: the user's and the system's."""
    identity: Path | None = None
    """A private key, tried besides the agent's and the user's own."""
    python: str | None = None
    """The interpreter there; None: the first of 3.11 or newer that is found."""
    directory: str = "/tmp"
    """Where a node's files are during the run, in a directory of its own."""
    client_port: int = 0
    """Where nodes listen for clients; 0: on any free port."""
    peer_port: int = 0
    """Where nodes listen for each other; 0: on any free port."""


def options_of(given: Mapping[str, Any]) -> SshOptions:
    """The options by name. Raises ValueError: a line for each problem."""
    known = {field.name: field for field in fields(SshOptions)}
    problems: list[str] = []
    found: dict[str, Any] = {}
    for key, value in given.items():
        name = key.replace("-", "_")
        if name not in known:
            valid = ", ".join(sorted(each.replace("_", "-") for each in known))
            problems.append(f"the ssh environment has no option {key!r}; there are: {valid}")
        elif name.endswith("_port"):
            if not isinstance(value, int) or not 0 <= value <= PORT_MAX:
                problems.append(f"{key}={value}: a port is a number from 0 to {PORT_MAX}")
            found[name] = value
        else:
            text = str(value)
            found[name] = text if name in ("python", "directory") else Path(text).expanduser()
    if not str(found.get("directory", "/tmp")).startswith("/"):
        problems.append(f"directory={found['directory']}: it must be an absolute path")
    if problems:
        raise ValueError("\n".join(problems))
    return SshOptions(**found)


def names_of(texts: Iterable[str]) -> tuple[str, ...]:
    """The names of the nodes: those that are given, else n1, n2, ..."""
    return tuple(
        text.partition("=")[0] if "=" in text else f"n{number}"
        for number, text in enumerate(texts, 1)
    )


def places_of(texts: Iterable[str]) -> tuple[Place, ...]:
    """The places that are written so. Raises ValueError: a line for each problem."""
    texts = tuple(texts)
    problems: list[str] = []
    places = []
    for name, text in zip(names_of(texts), texts, strict=True):
        try:
            places.append(_place(name, text))
        except ValueError as error:
            problems.append(f"--nodes {text}: {error}")
    if problems:
        raise ValueError("\n".join(problems))
    return tuple(places)


def sharing(places: Iterable[Place]) -> list[str]:
    """Hosts that are given for more than one node, in order."""
    counted = Counter(place.host for place in places)
    return [host for host, count in counted.items() if count > 1]


def _place(name: str, text: str) -> Place:
    if not name.isidentifier():
        raise ValueError(f"{name!r} is no name: use letters, digits and _")
    user, at, rest = text.partition("=")[2 if "=" in text else 0].rpartition("@")
    host, port = _host_and_port(rest)
    if not host or host.startswith("-") or any(c.isspace() for c in text) or (at and not user):
        raise ValueError(f"a node is written {FORM}")
    if port is None:
        return Place(name, host, user or None)
    if not port.isdecimal() or not 0 < int(port) <= PORT_MAX:
        raise ValueError(f"{port!r} is no port; a node is written {FORM}")
    return Place(name, host, user or None, int(port))


def _host_and_port(text: str) -> tuple[str, str | None]:
    """An IPv6 address with a port stands in brackets."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":") or None if rest.startswith(":") else None
    if text.count(":") != 1:
        return text, None
    host, _, port = text.partition(":")
    return host, port

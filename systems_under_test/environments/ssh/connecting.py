"""Connections to machines by paramiko: keys and agent, host keys checked, errors in words."""

from __future__ import annotations

import getpass
import shlex
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import paramiko

from systems_under_test.environments.cluster import EnvironmentFailed

if TYPE_CHECKING:
    from systems_under_test.environments.ssh.places import Place, SshOptions

CONNECT_S_MAX: Final = 10.0
BANNER_S_MAX: Final = 15.0
SSH_PORT: Final = 22


class _UnknownHost(Exception):
    """Nobody has said that this key is that of the machine."""


class _Refusing(paramiko.MissingHostKeyPolicy):
    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        raise _UnknownHost(f"{key.get_name()} {key.fingerprint}")


@dataclass(frozen=True, slots=True)
class Way:
    """How a machine is reached, with what the SSH configuration adds."""

    place: Place
    host: str
    port: int
    user: str
    identities: tuple[str, ...]
    known_hosts: tuple[Path, ...]
    """Files that were named; none: the user's and the system's."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.place.name} ({self.user}@{host}:{self.port})"

    def failure(self, reason: str) -> EnvironmentFailed:
        """An error that names the machine."""
        return EnvironmentFailed(f"{self}: {reason}")


def way_to(place: Place, options: SshOptions) -> Way:
    """How to reach a place. Raises EnvironmentFailed if the SSH configuration cannot be used."""
    said = _configured(place, options)
    for hop in ("proxyjump", "proxycommand"):
        if said.get(hop, "none") != "none":
            raise EnvironmentFailed(
                f"{place}: the SSH configuration has a {hop}; clients speak with nodes directly, "
                "so run lineal where the machines can be reached"
            )
    identities = [str(options.identity)] if options.identity else said.get("identityfile", [])
    named = shlex.split(said.get("userknownhostsfile", ""))
    known = [options.known_hosts] if options.known_hosts else [Path(f).expanduser() for f in named]
    return Way(
        place=place,
        host=said.get("hostname", place.host),
        port=place.port or int(said.get("port", SSH_PORT)),
        user=place.user or said.get("user") or getpass.getuser(),
        identities=tuple(name for name in identities if options.identity or Path(name).exists()),
        known_hosts=tuple(known),
    )


def connect(way: Way) -> paramiko.SSHClient:
    """A connection. Raises EnvironmentFailed, which says what to do."""
    client = paramiko.SSHClient()
    _trust(client, way)
    client.set_missing_host_key_policy(_Refusing())
    try:
        client.connect(
            way.host,
            way.port,
            way.user,
            key_filename=list(way.identities) or None,  # type: ignore[arg-type]  # A list is fine.
            timeout=CONNECT_S_MAX,
            banner_timeout=BANNER_S_MAX,
            auth_timeout=BANNER_S_MAX,
        )
    except BaseException as error:
        client.close()
        reason = _in_words(way, error)
        if reason is None:
            raise
        raise way.failure(reason) from error
    return client


def _configured(place: Place, options: SshOptions) -> dict[str, Any]:
    path = options.config or Path("~/.ssh/config").expanduser()
    if options.config is None and not path.exists():
        return {}
    try:
        return dict(paramiko.SSHConfig.from_path(str(path)).lookup(place.host))
    except (OSError, ImportError, ValueError, paramiko.SSHException) as error:
        raise EnvironmentFailed(
            f"{place}: the SSH configuration {path} cannot be used: {error}"
        ) from error


def _trust(client: paramiko.SSHClient, way: Way) -> None:
    """Load the host keys that are known."""
    for path in way.known_hosts or (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts")):
        try:
            client.load_system_host_keys(str(path.expanduser()))
        except FileNotFoundError as error:
            if way.known_hosts:
                raise way.failure(f"there is no file of known hosts {path}") from error
        except OSError as error:
            raise way.failure(f"the known hosts in {path} cannot be read: {error}") from error


def _in_words(way: Way, error: BaseException) -> str | None:
    """What went wrong and what to do; None for what is no failure of the connection."""
    named = way.known_hosts[0] if way.known_hosts else "~/.ssh/known_hosts"
    match error:
        case _UnknownHost():
            return (
                f"its host key is not known: {error}. Compare that with what the machine itself "
                "says (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub); if it is the same: "
                f"ssh-keyscan -p {way.port} {way.host} >> {named}"
            )
        case paramiko.BadHostKeyException():
            return (
                f"its host key is another one than {named} has: it offers {error.key.get_name()} "
                f"{error.key.fingerprint}. If the machine was made anew: "
                f"ssh-keygen -R '{_known_as(way)}' -f {named}, and add its new key"
            )
        case paramiko.PasswordRequiredException():
            return (
                f"the private key {', '.join(way.identities) or 'there is'} is encrypted: "
                "add it to the agent with ssh-add"
            )
        case paramiko.AuthenticationException():
            tried = ", ".join(way.identities) or "~/.ssh/id_*"
            return (
                f"it does not let {way.user} in with any key of the agent or of {tried}: "
                f"put a public key there with ssh-copy-id -p {way.port} {way.user}@{way.host}, or "
                "name the private one with --environment-option identity=FILE"
            )
        case socket.gaierror():
            return f"its name cannot be resolved: {error.strerror}"
        case TimeoutError():
            return f"nothing answers within {CONNECT_S_MAX:g} s: is the machine up?"
        case paramiko.ssh_exception.NoValidConnectionsError():
            return f"the connection was refused: does sshd listen on port {way.port} there?"
        case FileNotFoundError():
            return f"there is no private key {error.filename}"
        case paramiko.SSHException() | OSError() | EOFError() | ValueError():
            return f"no SSH connection: {str(error) or type(error).__name__}"
    return None


def _known_as(way: Way) -> str:
    return way.host if way.port == SSH_PORT else f"[{way.host}]:{way.port}"

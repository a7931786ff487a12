"""Machines for tests: an sshd in each of several network namespaces, joined by a bridge.

The bridge lies in a namespace of its own, where no packet filter of anybody's is in force: a
Docker engine on this machine drops what is forwarded in the outer one. Names carry the number of
the process that made them; what a killed one has left is removed by the next.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.environments.local.processes import look
from systems_under_test.environments.ssh.cluster import SshCluster
from systems_under_test.environments.ssh.places import options_of, places_of
from tests.systems_under_test.local.clusters import tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SSHD = "/usr/sbin/sshd"
PORT = 22
PREFIX = "lnl"
PEOPLE = """\
root:x:0:0:root:/root:/bin/sh
sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin
guest:x:65532:65534::/tmp:/bin/sh
trusted:x:65531:65534::/tmp:/bin/sh
"""
SHADOW = "".join(f"{name}:*:19000:0:99999:7:::\n" for name in ("root", "guest", "trusted"))
SUDOERS = "trusted ALL=(root) NOPASSWD: " + ", ".join(
    f"/usr/sbin/{tool}, /sbin/{tool}, /usr/bin/{tool}"
    for tool in ("iptables", "iptables-restore", "ss")
)
"""As `docs/ssh.md` has it: one user may use packet filters, the other nothing."""


@dataclass(frozen=True)
class Machines:
    """Several machines that a harness may reach."""

    folder: Path
    namespaces: tuple[str, ...]
    addresses: tuple[str, ...]
    harness: str
    known_hosts: Path
    identity: Path

    def texts(self, count: int, user: str = "root") -> tuple[str, ...]:
        return tuple(f"{user}@{address}:{PORT}" for address in self.addresses[:count])

    def options(self, **more: Any) -> Mapping[str, Any]:
        own = {"known-hosts": str(self.known_hosts), "identity": str(self.identity)}
        there = {"python": python(), "directory": str(self.scratch)}
        return {**own, "config": os.devnull, **there, **more}

    @property
    def scratch(self) -> Path:
        """Where runs keep their files on these machines."""
        return self.folder / "scratch"

    @property
    def second(self) -> str:
        """Another address of the first machine."""
        return self.harness.removesuffix("254") + "101"

    def known(self, address: str) -> str:
        """The line of a file of known hosts."""
        key = " ".join((self.folder / "host_key.pub").read_text().split()[:2])
        return f"{address} {key}\n"

    def within(self, place: int, *command: str) -> str:
        """What a command prints that is run in the network of a machine."""
        return run("ip", "netns", "exec", self.namespaces[place], *command)

    def pids(self, place: int) -> list[int]:
        """Every process on a machine but its sshd and the sessions of that."""
        said = run("ip", "netns", "pids", self.namespaces[place]).split()
        return [int(pid) for pid in said if _name(int(pid)) not in ("", "sshd")]

    def chains(self, place: int) -> list[str]:
        rules = self.within(place, "iptables", "-S").splitlines()
        return [line for line in rules if "LINEAL" in line]


def why_not() -> str | None:
    """Why machines cannot be made here."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in (SSHD, "ip", "iptables", "ssh-keygen", "unshare"):
        if shutil.which(tool) is None:
            return f"there is no {tool}: apt-get install openssh-server iproute2 iptables"
    return _cannot_unshare()


@cache
def python() -> str:
    """A Python for the machines: that of the distribution, which every user may run, if it can."""
    fit = "import sys; sys.exit(sys.version_info < (3, 11))"
    theirs = "/usr/bin/python3"
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        run(theirs, "-c", fit)
        return theirs
    return str(Path(sys.executable).resolve())


@cache
def _cannot_unshare() -> str | None:
    name = f"{PREFIX}{os.getpid()}-try"
    try:
        run("ip", "netns", "add", name)
    except subprocess.CalledProcessError as error:
        return f"no network namespace can be made: {error.stderr.strip()}"
    run("ip", "netns", "del", name)
    return None


def require() -> None:
    """Skip the test where machines cannot be made, or fail it where that is asked for."""
    reason = why_not()
    if reason is None:
        return
    if "ssh" in os.environ.get("LINEAL_REQUIRE", "").split(","):
        pytest.fail(f"LINEAL_REQUIRE names ssh, but: {reason}")
    pytest.skip(reason)


def cluster_on(
    made: Machines, folder: Path, count: int, *, user: str = "root", **options: Any
) -> SshCluster:
    """A cluster of tallies on the first machines, not yet up."""
    nodes = tuple(f"n{n}" for n in range(1, count + 1))
    spec = tally(folder, nodes=nodes)
    places = places_of(made.texts(count, user))
    return SshCluster(spec, places, options_of(made.options(**options)))


@contextlib.contextmanager
def machines(folder: Path, count: int) -> Iterator[Machines]:
    """So many machines; nothing of them is left afterwards."""
    remove_orphans()
    own = f"{PREFIX}{os.getpid()}"
    switch, names = f"{own}-sw", tuple(f"{own}-{n}" for n in range(1, count + 1))
    subnet = _free_subnet()
    made = Machines(
        folder=folder,
        namespaces=names,
        addresses=tuple(f"{subnet}.{n}" for n in range(1, count + 1)),
        harness=f"{subnet}.254",
        known_hosts=folder / "known_hosts",
        identity=folder / "id_ed25519",
    )
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        _wire(made, switch)
        _make_keys(made)
        daemons += [_sshd(made, place) for place in range(count)]
        for address in made.addresses:
            _await_banner(address)
        yield made
    finally:
        for daemon in daemons:
            daemon.kill()
            daemon.wait()
        remove_namespaces([*names, switch])


@contextlib.contextmanager
def made_machines(count: int) -> Iterator[Machines]:
    """So many machines, or a skip. Their keys lie where other users may read them."""
    require()
    with (
        tempfile.TemporaryDirectory(prefix="lineal-machines-") as folder,
        machines(Path(folder), count) as made,
    ):
        yield made


def remove_orphans() -> None:
    """Take away what a test run that was killed has left."""
    orphans = []
    for line in run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        pid = name.removeprefix(PREFIX).partition("-")[0]
        if name.startswith(PREFIX) and pid.isdecimal() and look(int(pid)) is None:
            orphans.append(name)
    remove_namespaces(orphans)


def remove_namespaces(names: list[str]) -> None:
    for name in names:
        with contextlib.suppress(subprocess.CalledProcessError):
            for pid in run("ip", "netns", "pids", name).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            run("ip", "netns", "del", name)


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def _wire(made: Machines, switch: str) -> None:
    run("ip", "netns", "add", switch)
    in_switch = ("ip", "-n", switch, "link")
    run(*in_switch, "add", "bridge", "type", "bridge")
    run(*in_switch, "set", "bridge", "up")
    for place, (name, address) in enumerate(zip(made.namespaces, made.addresses, strict=True), 1):
        run("ip", "netns", "add", name)
        run(*in_switch, "add", f"port{place}", "type", "veth", "peer", "eth0", "netns", name)
        run(*in_switch, "set", f"port{place}", "master", "bridge", "up")
        run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        run("ip", "-n", name, "link", "set", "lo", "up")
    run("ip", "-n", made.namespaces[0], "addr", "add", f"{made.second}/24", "dev", "eth0")
    ours = f"{PREFIX}{os.getpid()}h"
    run(*in_switch, "add", "port0", "type", "veth", "peer", ours, "netns", str(os.getpid()))
    run(*in_switch, "set", "port0", "master", "bridge", "up")
    run("ip", "addr", "add", f"{made.harness}/24", "dev", ours)
    run("ip", "link", "set", ours, "up")


def _make_keys(made: Machines) -> None:
    for name in ("id_ed25519", "host_key"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(made.folder / name))
    shutil.copyfile(made.folder / "id_ed25519.pub", made.folder / "authorized_keys")
    (made.folder / "authorized_keys").chmod(0o644)
    made.folder.chmod(0o755)
    made.scratch.mkdir()
    made.scratch.chmod(0o1777)
    made.known_hosts.write_text("".join(made.known(a) for a in (*made.addresses, made.second)))
    (made.folder / "passwd").write_text(PEOPLE)
    (made.folder / "shadow").write_text(SHADOW)
    (made.folder / "sudoers").write_text(f"{SUDOERS}\n")
    (made.folder / "sudoers").chmod(0o440)
    (made.folder / "sshd_config").write_text(
        f"HostKey {made.folder}/host_key\n"
        f"AuthorizedKeysFile {made.folder}/authorized_keys\n"
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\nUsePAM no\n"
        "KbdInteractiveAuthentication no\nStrictModes no\nUseDNS no\nPidFile none\n"
        "MaxStartups 100\n"
    )


def _sshd(made: Machines, place: int) -> subprocess.Popen[bytes]:
    """With users of its own: a private mount hides the ones of this machine."""
    Path("/run/sshd").mkdir(exist_ok=True)
    script = (
        "mount --make-rprivate / && for name in passwd shadow sudoers; do "
        f"[ ! -e /etc/$name ] || mount --bind {made.folder}/$name /etc/$name; done && "
        f"exec {SSHD} -D -e -f {made.folder}/sshd_config"
    )
    with (made.folder / f"sshd{place}.log").open("wb") as log:
        return subprocess.Popen(
            ["ip", "netns", "exec", made.namespaces[place], "unshare", "-m", "sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _await_banner(address: str) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            with socket.create_connection((address, PORT), timeout=5) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.05)
        assert time.monotonic() < deadline, f"no sshd answers at {address}"


def _free_subnet() -> str:
    """Of the addresses that are set aside for testing networks."""
    taken = run("ip", "route", "show", "table", "all")
    third = next(n for n in range(256) if f"198.18.{n}." not in taken)
    return f"198.18.{third}"


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""

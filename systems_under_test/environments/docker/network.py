"""The bridge of a run: a subnet that nobody uses, static addresses, ports of our own choosing."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import docker.errors
from docker.types import IPAMConfig, IPAMPool

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.docker.engine import in_words
from systems_under_test.environments.local.ports import LOOPBACK
from systems_under_test.rng import Rng

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import docker

SUBNETS: Final = ipaddress.ip_network("10.192.0.0/11")
SUBNET_BITS: Final = 24
TRIES_MAX: Final = 50
FIRST_HOST: Final = 11
"""The first node's place in the subnet; the gateway has 1."""
PORTS: Final = range(15_000, 30_000)
"""Below what is given to outgoing connections: while a node is dead nobody is given its port."""

_OVERLAP: Final = ("overlap", "already")


@dataclass(frozen=True, slots=True)
class Bridge:
    """A network as it was made."""

    name: str
    interface: str
    gateway: str
    addresses: Mapping[str, str]
    """Of each node, and of others that were asked for."""


def make_bridge(
    client: docker.DockerClient, *, run: str, hosts: tuple[str, ...], labels: Mapping[str, str]
) -> Bridge:
    """Make the network of a run. Raises EnvironmentFailed.

    Not `--internal`, on which published ports are dead; without masquerading instead, so that
    nothing can answer what a node might send to the world.
    """
    name, interface = f"lineal-{run}", f"ln{run}"[:15]
    refusal: Exception | None = None
    for subnet in _free_subnets(client, Rng(run)):
        gateway = str(subnet[1])
        pool = IPAMPool(subnet=str(subnet), gateway=gateway)
        try:
            with in_words("making a network"):
                client.networks.create(
                    name,
                    driver="bridge",
                    ipam=IPAMConfig(pool_configs=[pool]),
                    options={
                        "com.docker.network.bridge.name": interface,
                        "com.docker.network.bridge.enable_ip_masquerade": "false",
                        "com.docker.network.bridge.host_binding_ipv4": LOOPBACK,
                    },
                    labels=dict(labels),
                )
        except EnvironmentFailed as error:
            if not any(word in str(error).lower() for word in _OVERLAP):
                raise
            refusal = error  # Another run has taken it between our look and our request.
            continue
        addresses = {host: str(subnet[FIRST_HOST + i]) for i, host in enumerate(hosts)}
        return Bridge(name, interface, gateway, addresses)
    raise EnvironmentFailed(f"no subnet of {SUBNETS} is free for a network: {refusal}")


def free_ports(count: int, rng: Rng) -> list[int]:
    """So many ports of loopback that nobody listens on now. Raises EnvironmentFailed."""
    found: list[int] = []
    for _ in range(TRIES_MAX * count):
        port = rng.between(PORTS.start, PORTS.stop - 1)
        if port not in found and _is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise EnvironmentFailed(f"no {count} ports are free on {LOOPBACK}")


def _is_free(port: int) -> bool:
    with socket.socket() as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _free_subnets(client: docker.DockerClient, rng: Rng) -> Iterator[ipaddress.IPv4Network]:
    taken = [*_routes(), *_networks(client)]
    count = 2 ** (SUBNET_BITS - SUBNETS.prefixlen)
    for _ in range(TRIES_MAX):
        at = int(SUBNETS.network_address) + rng.below(count) * 2 ** (32 - SUBNET_BITS)
        subnet = ipaddress.IPv4Network((at, SUBNET_BITS))
        if not any(subnet.overlaps(other) for other in taken):
            yield subnet


def _networks(client: docker.DockerClient) -> Iterator[ipaddress.IPv4Network]:
    with in_words("listing networks"):
        networks = client.networks.list()
    for network in networks:
        for pool in ((network.attrs or {}).get("IPAM") or {}).get("Config") or ():
            subnet = ipaddress.ip_network(pool.get("Subnet", "0.0.0.0/32"))
            if isinstance(subnet, ipaddress.IPv4Network):
                yield subnet


def _routes() -> Iterator[ipaddress.IPv4Network]:
    """What this machine reaches otherwise than by its default route."""
    try:
        lines = Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return
    for line in lines:
        fields = line.split()
        address, mask = (socket.ntohl(int(fields[i], 16)) for i in (1, 7))
        if mask:
            yield ipaddress.IPv4Network((address & mask, mask.bit_count()))

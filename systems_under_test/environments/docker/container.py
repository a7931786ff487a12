"""A container as the engine sees it: made, started, killed, paused, looked at."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import docker.errors

from systems_under_test.environments.docker.engine import in_words
from systems_under_test.environments.docker.supervisor import CONTROL_PORT
from systems_under_test.environments.local.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems_under_test.environments.docker.engine import Engine

STOP_S_MAX: Final = 10
CPU_PERIOD_US: Final = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Everything that a container is made of."""

    name: str
    """Of the container."""
    hostname: str
    image: str
    labels: Mapping[str, str]
    environment: Mapping[str, str]
    network: str
    address: str
    hosts: Mapping[str, str]
    """Names it knows: Docker's own name service would answer with any network's address."""
    ports: Mapping[int, int]
    """Its own ports -> those of loopback on this machine."""
    binds: Mapping[str, str]
    """Directories of this machine -> where they are seen inside."""
    capabilities: tuple[str, ...] = ()
    """Those it keeps; all others are dropped."""
    pid_mode: str | None = None
    user: str | None = None


class Container:
    """One container. Each thread speaks to the engine by itself."""

    def __init__(self, engine: Engine, recipe: Recipe) -> None:
        self._engine = engine
        self.recipe = recipe

    @property
    def name(self) -> str:
        """Its name, which no other has."""
        return self.recipe.name

    @property
    def control(self) -> tuple[str, int]:
        """Where its supervisor is reached."""
        return LOOPBACK, self.recipe.ports[CONTROL_PORT]

    def make(self) -> None:
        """Create and start it. Raises EnvironmentFailed."""
        recipe = self.recipe
        api = self._engine.client.api
        with in_words(f"making {self.name}"):
            host = api.create_host_config(
                binds=[f"{here}:{there}" for here, there in recipe.binds.items()],
                port_bindings={inside: (LOOPBACK, port) for inside, port in recipe.ports.items()},
                extra_hosts=dict(recipe.hosts),
                cap_drop=["ALL"],
                cap_add=list(recipe.capabilities),
                pid_mode=recipe.pid_mode,
                restart_policy={"Name": "no"},
            )
            endpoint = api.create_endpoint_config(ipv4_address=recipe.address)
            # By the stubs an endpoint stands here without the name of its network.
            endpoints: Any = {recipe.network: endpoint}
            networking = api.create_networking_config(endpoints)
            api.create_container(
                recipe.image,
                name=self.name,
                hostname=recipe.hostname,
                user=recipe.user,
                labels=dict(recipe.labels),
                environment=dict(recipe.environment),
                ports=list(recipe.ports),
                host_config=host,
                networking_config=networking,
            )
        self.start()

    def start(self) -> None:
        """Start it, the first time or again."""
        with in_words(f"starting {self.name}"):
            self._engine.client.api.start(self.name)

    def remove(self) -> None:
        """Kill and remove it. None there: no change."""
        with in_words(f"removing {self.name}"), contextlib.suppress(docker.errors.NotFound):
            self._engine.client.api.remove_container(self.name, force=True)

    def kill(self) -> None:
        """`docker kill`, and wait until it is dead. Dead: no change."""
        api = self._engine.client.api
        if not self.look()["Running"]:
            return
        with in_words(f"killing {self.name}"):
            api.kill(self.name, "SIGKILL")
            api.wait(self.name, timeout=STOP_S_MAX)

    def pause(self) -> None:
        """`docker pause`."""
        with in_words(f"pausing {self.name}"):
            self._engine.client.api.pause(self.name)

    def unpause(self) -> None:
        """`docker unpause`."""
        with in_words(f"unpausing {self.name}"):
            self._engine.client.api.unpause(self.name)

    def limit_cpu(self, percent: int | None) -> None:
        """Let it have so many percent of one processor; None: all that there are."""
        quota = -1 if percent is None else CPU_PERIOD_US * percent // 100
        with in_words(f"limiting {self.name}"):
            self._engine.client.api.update_container(
                self.name, cpu_period=CPU_PERIOD_US, cpu_quota=quota
            )

    def limit_memory(self, limit_bytes: int | None) -> None:
        """Let it have so much memory and no swap; None: as much as the machine has."""
        with in_words(f"limiting {self.name}"):
            api = self._engine.client.api
            limit = api.info()["MemTotal"] if limit_bytes is None else limit_bytes
            api.update_container(self.name, mem_limit=limit, memswap_limit=limit)

    def look(self) -> Mapping[str, Any]:
        """What the engine says of it now: `Running`, `Paused`, `Pid`, `ExitCode`, `OOMKilled`."""
        with in_words(f"looking at {self.name}"):
            state: Mapping[str, Any] = self._engine.client.api.inspect_container(self.name)["State"]
            return state

    def pid(self) -> int:
        """The number of its process 1 on this machine."""
        return int(self.look()["Pid"])

    def said(self) -> bytes:
        """What its supervisor printed: nothing, unless it broke."""
        with in_words(f"reading the log of {self.name}"):
            said: bytes = self._engine.client.api.logs(self.name)
            return said


def own_user(engine: Engine) -> str | None:
    """Who processes in containers are, so that what they write belongs to the harness's user.

    Root of a rootless engine is that user already.
    """
    with in_words("asking the engine about itself"):
        options = engine.client.info().get("SecurityOptions") or ()
    if any("name=rootless" in option for option in options):
        return None
    return f"{os.getuid()}:{os.getgid()}"

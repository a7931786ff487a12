"""Removes what runs have left: containers, networks, volumes, packet filters, mounted disks.

The guardian calls `remove_run` when a harness has ended without taking its cluster down; `lineal
cleanup` calls `remove_leftovers` when the guardian died too. A run whose owner lives is left alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import docker
import docker.errors

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.docker.disks import image_prefix, loops, unmount_all
from systems_under_test.environments.docker.engine import (
    LABEL,
    OWNER_LABEL,
    connect,
    in_words,
    owner_lives,
)

if TYPE_CHECKING:
    from pathlib import Path

PASSES_MAX: Final = 40
PASS_S: Final = 0.1
PASSES_EMPTY: Final = 2
"""What the harness had asked of the engine when it died may be made after our first look."""
TABLE_PREFIX: Final = "lineal_"
ABOUT: Final = "docker.json"
"""What a run writes of itself, beside the folders of its nodes."""


@dataclass(slots=True)
class Leftover:
    """What there is of one run."""

    run: str
    lives: bool
    things: list[str] = field(default_factory=list)


def remove_run(run: str, *, disks: bool = True) -> list[str]:
    """Remove everything of a run, and what is still being made of it; what was removed.

    Its disks too, unless somebody else still has to look at them.
    """
    removed: list[str] = []
    client = connect()
    try:
        empty = 0
        for _ in range(PASSES_MAX):
            found = _remove_once(client, run)
            removed += found
            empty = 0 if found else empty + 1
            if empty == PASSES_EMPTY:
                break
            if not found:
                time.sleep(PASS_S)
    finally:
        client.close()
        removed += _remove_from_machine(run, disks=disks)
    return removed


def leftovers() -> list[Leftover]:
    """Every run of which there is something, live ones too. Raises EnvironmentFailed."""
    found: dict[str, Leftover] = {}

    def note(run: str, *, lives: bool, thing: str) -> None:
        leftover = found.setdefault(run, Leftover(run, lives))
        leftover.lives = leftover.lives or lives
        leftover.things.append(thing)

    client = connect()
    try:
        for kind, name, labels in _labelled(client):
            note(
                labels[LABEL],
                lives=owner_lives(labels.get(OWNER_LABEL, "")),
                thing=f"{kind} {name}",
            )
    finally:
        client.close()
    # Tables name no owner: they come after the run's network and go before it.
    for table in _tables():
        note(table.removeprefix(TABLE_PREFIX), lives=False, thing=f"nft table {table}")
    for device, file in loops():
        if file.name.startswith(image_prefix("")[:-1]):
            lives = _owner_lives_by(file.parent.parent / ABOUT)
            note(file.name.split("-")[1], lives=lives, thing=f"mounted disk {device} {file}")
    return sorted(found.values(), key=lambda leftover: leftover.run)


def _owner_lives_by(about: Path) -> bool:
    """What a run wrote of itself: its disks are given up last, when nothing else of it is left."""
    try:
        said = json.loads(about.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return owner_lives(str(said.get("owner", "")))


def remove_leftovers() -> tuple[list[Leftover], list[Leftover]]:
    """Remove what dead runs have left: which were removed, and which live and were spared."""
    everything = leftovers()
    dead = [leftover for leftover in everything if not leftover.lives]
    for leftover in dead:
        remove_run(leftover.run)
    return dead, [leftover for leftover in everything if leftover.lives]


def _remove_once(client: docker.DockerClient, run: str) -> list[str]:
    removed: list[str] = []
    wanted = {"label": f"{LABEL}={run}"}
    with in_words(f"cleaning up after run {run}"):
        containers = client.api.containers(all=True, filters=wanted, quiet=True)
        if containers:
            with ThreadPoolExecutor(max_workers=min(8, len(containers))) as pool:
                list(pool.map(_remove_container, [item["Id"] for item in containers]))
            removed += [f"container {item['Id'][:12]}" for item in containers]
        for network in client.api.networks(filters=wanted):
            with contextlib.suppress(docker.errors.APIError):  # Not empty yet: the next pass.
                client.api.remove_network(network["Id"])
            removed.append(f"network {network['Name']}")
        for volume in client.api.volumes(filters=wanted)["Volumes"] or ():
            with contextlib.suppress(docker.errors.APIError):
                client.api.remove_volume(volume["Name"], force=True)
            removed.append(f"volume {volume['Name']}")
    return removed


def _remove_container(container: str) -> None:
    client = connect()  # One for each thread.
    try:
        # Gone, or just being removed by somebody else.
        with contextlib.suppress(docker.errors.NotFound, docker.errors.APIError):
            client.api.remove_container(container, force=True, v=True)
    finally:
        client.close()


def _remove_from_machine(run: str, *, disks: bool) -> list[str]:
    if os.geteuid() != 0:
        return []
    removed = [f"mounted disk {file}" for file in unmount_all(run)] if disks else []
    table = f"{TABLE_PREFIX}{run}"
    if table in _tables():
        done = subprocess.run(["nft", "delete", "table", "bridge", table], check=False)
        removed += [f"nft table {table}"] if done.returncode == 0 else []
    return removed


def _labelled(client: docker.DockerClient) -> list[tuple[str, str, dict[str, str]]]:
    """Kind, name and labels of everything but images that carries our label."""
    wanted: dict[str, Any] = {"label": LABEL}
    with in_words("looking for what is left"):
        found = [
            ("container", item["Names"][0].lstrip("/"), item["Labels"])
            for item in client.api.containers(all=True, filters=wanted)
        ]
        found += [
            ("network", item["Name"], item["Labels"])
            for item in client.api.networks(filters=wanted)
        ]
        volumes = client.api.volumes(filters=wanted)["Volumes"] or ()
        found += [("volume", item["Name"], item["Labels"]) for item in volumes]
    # A container that is asked for its Python carries the label of the image that it is of.
    return [item for item in found if item[2].get(LABEL) not in ("image", "base")]


def _tables() -> list[str]:
    if os.geteuid() != 0 or shutil.which("nft") is None:
        return []
    listed = subprocess.run(
        ["nft", "-j", "list", "tables", "bridge"], capture_output=True, text=True, check=False
    )
    if listed.returncode:
        return []
    tables = [
        item.get("table", {}).get("name", "") for item in json.loads(listed.stdout)["nftables"]
    ]
    return [name for name in tables if name.startswith(TABLE_PREFIX)]


__all__ = ["EnvironmentFailed", "Leftover", "leftovers", "remove_leftovers", "remove_run"]

"""A base image made from the distribution of this machine, where no other can be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.docker.engine import LABEL, in_words

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker

PACKAGES: Final = ("python3", "iproute2", "iptables", "nftables")
REPOSITORY: Final = "lineal-base"
BOOTSTRAP_S_MAX: Final = 1_200
TAIL_LINES: Final = 8


def base_tag() -> str:
    """The tag of the base image that this machine's distribution makes."""
    return f"{REPOSITORY}:{_release().get('VERSION_CODENAME', 'unknown')}"


def make_base(client: docker.DockerClient, tell: Callable[[str], None]) -> str:
    """Make the base image by debootstrap from this machine's package sources; its tag.

    Raises EnvironmentFailed with what to do: it takes root, and the program `debootstrap`.
    """
    tag = base_tag()
    codename = tag.partition(":")[2]
    reason = _cannot(codename)
    if reason:
        raise EnvironmentFailed(f"no base image can be found or pulled, and none made: {reason}")
    mirror = _mirror(codename)
    tell(f"making the base image {tag} by debootstrap from the package sources of this machine")
    with tempfile.TemporaryDirectory(prefix="lineal-base-") as scratch:
        root = Path(scratch) / "root"
        archive = Path(scratch) / "root.tar"
        command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
        _run([*command, codename, str(root), mirror], "debootstrap")
        for spent in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc"):
            shutil.rmtree(root / spent, ignore_errors=True)
        pack = ["tar", "--numeric-owner", "--exclude=./dev/*", "--exclude=./proc/*"]
        pack += ["--exclude=./sys/*", "-cf", str(archive), "-C", str(root), "."]
        _run(pack, "tar")
        with in_words(f"importing {tag}"):
            client.api.import_image_from_file(
                str(archive), repository=REPOSITORY, tag=codename, changes=[f"LABEL {LABEL}=base"]
            )
    return tag


def _cannot(codename: str) -> str:
    if shutil.which("apt-get") is None or codename == "unknown":
        return (
            "this machine's distribution has no apt; on one with a registry run "
            "`docker pull python:3.11-slim-bookworm`, then `docker save` and `docker load` it here"
        )
    if os.geteuid() != 0:
        return "it takes root: run `sudo lineal image` once, or `docker pull` a base elsewhere"
    if shutil.which("debootstrap") is None:
        return "run `apt-get install debootstrap` first"
    return ""


def _mirror(codename: str) -> str:
    """Where apt has this distribution's main packages from."""
    asked = ["apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)"]
    lines = _run(asked, "apt-get indextargets").splitlines()
    for line in lines:
        name, component, uri = line.split(" ", 2)
        if name == codename and component == "main":
            return uri
    raise EnvironmentFailed(f"apt has no source for {codename} main; run `apt-get update` first")


def _run(command: list[str], what: str) -> str:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", **_proxies()}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=BOOTSTRAP_S_MAX,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFailed(f"{what} could not be run: {error}") from error
    if done.returncode:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-TAIL_LINES:])
        raise EnvironmentFailed(f"{what} failed with status {done.returncode}:\n{end}")
    return done.stdout


def _proxies() -> dict[str, str]:
    """The proxy that apt is set up for, where it is: debootstrap asks the environment."""
    if "http_proxy" in os.environ or shutil.which("apt-config") is None:
        return {}
    asked = ["apt-config", "shell", "PROXY", "Acquire::http::Proxy"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    _, _, value = said.strip().partition("=")
    value = value.strip("'\"")
    return {"http_proxy": value} if value and value != "DIRECT" else {}


def _release() -> dict[str, str]:
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name: value.strip('"') for name, _, value in pairs}

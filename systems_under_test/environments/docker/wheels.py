"""Packages of others for the image: wheels that fit the image's Python, kept on this machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from systems_under_test.environments.cluster import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

DOWNLOAD_S_MAX: Final = 300
GLIBC_MINORS: Final = range(17, 41)
"""Wheels name the oldest C library they run with: manylinux_2_17 and later."""


@dataclass(frozen=True, slots=True)
class ImagePython:
    """The Python of an image."""

    version: tuple[int, int]
    machine: str
    """As `x86_64`."""
    glibc_minor: int


def cache_directory() -> Path:
    """Where wheels and bases are kept between runs: XDG_CACHE_HOME, or `.cache` at home."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "lineal"


def wheels_for(packages: Iterable[str], python: ImagePython) -> list[Path]:
    """A wheel for each importable package, of the version that is installed here.

    Taken from the cache, else resolved by pip from the index that it is set up for. Raises
    EnvironmentFailed.
    """
    by_package = _distributions()
    wheels: list[Path] = []
    for package in sorted(packages):
        names = by_package.get(package, [package])
        try:
            wheels.append(_wheel(names[0], version(names[0]), python))
        except PackageNotFoundError as error:
            raise EnvironmentFailed(
                f"a node imports {package}, which belongs to no installed distribution"
            ) from error
    return wheels


@cache
def _distributions() -> Mapping[str, list[str]]:
    """Distributions by importable package; to ask for all that is installed takes long."""
    return packages_distributions()


def optional_wheels(
    packages: Iterable[str], python: ImagePython, tell: Callable[[str], None]
) -> list[Path]:
    """The same of packages that a node can do without; what is missing is told."""
    wheels: list[Path] = []
    for package in sorted(packages):
        try:
            wheels += wheels_for([package], python)
        except EnvironmentFailed as error:
            tell(f"{package} is left out of the image: {error}")
    return wheels


def unpack(wheel: Path, into: Path) -> None:
    """Unpack a wheel where the image looks for modules. Raises EnvironmentFailed."""
    with zipfile.ZipFile(wheel) as archive:
        if any(name.split("/")[0].endswith(".data") for name in archive.namelist()):
            raise EnvironmentFailed(f"{wheel.name} installs more than modules; it cannot be used")
        archive.extractall(into)


def digest(wheel: Path) -> str:
    """What is in the wheel, in short."""
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def _wheel(name: str, wanted: str, python: ImagePython) -> Path:
    tag = f"cp{python.version[0]}{python.version[1]}-{python.machine}-{python.glibc_minor}"
    kept = cache_directory() / "wheels" / tag / f"{name}-{wanted}"
    found = sorted(kept.glob("*.whl"))
    if found:
        return found[0]
    kept.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(kept)]
    command += ["--python-version", f"{python.version[0]}.{python.version[1]}"]
    command += ["--implementation", "cp"]
    for minor in GLIBC_MINORS:
        if minor <= python.glibc_minor:
            command += ["--platform", f"manylinux_2_{minor}_{python.machine}"]
    command += ["--platform", f"manylinux2014_{python.machine}", f"{name}=={wanted}"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=DOWNLOAD_S_MAX, check=False
    )
    found = sorted(kept.glob("*.whl"))
    if done.returncode or not found:
        raise EnvironmentFailed(
            f"no wheel of {name} {wanted} for the image's Python "
            f"{python.version[0]}.{python.version[1]}: {done.stderr.strip() or 'nothing came'}; "
            f"put one into {kept}"
        )
    return found[0]

"""Wheel and sdist hold what they should, and work in fresh environments."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"checker", "workloads", "systems_under_test", "nemesis", "reports", "lineal"}

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "maturin", "build", "--release", "--sdist", "--out", str(out)],
        cwd=ROOT,
        check=True,
        timeout=800,
        capture_output=True,
    )
    return out


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def test_the_wheel_holds_the_packages_and_no_rust(built: Path) -> None:
    with zipfile.ZipFile(only(built, "*.whl")) as wheel:
        names = wheel.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    assert not [name for name in names if name.endswith((".rs", "Cargo.toml"))]
    assert [name for name in names if name.startswith("checker/_core")]


def test_the_sdist_holds_the_rust_sources(built: Path) -> None:
    with tarfile.open(only(built, "*.tar.gz")) as sdist:
        names = sdist.getnames()
    assert [name for name in names if name.endswith("checker/native/src/lib.rs")]
    assert [name for name in names if name.endswith("Cargo.lock")]


@pytest.mark.parametrize("pattern", ["*.whl", "*.tar.gz"])
def test_it_lists_what_there_is_in_a_fresh_environment(
    built: Path, pattern: str, tmp_path: Path
) -> None:
    venv.create(tmp_path / "fresh", with_pip=True)
    binaries = tmp_path / "fresh" / "bin"
    subprocess.run(
        [binaries / "pip", "install", "-q", str(only(built, pattern))], check=True, timeout=600
    )
    done = subprocess.run(
        [binaries / "lineal", "list"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "  dynamo  A leaderless" in done.stdout
    assert "bug" in done.stdout

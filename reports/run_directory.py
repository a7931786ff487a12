"""The folder that a run leaves: enough to check and report again.

`<runs>/<system>-<workload>/<UTC time>-<seed>[-n]/` holds `test.json`, `history.jsonl`,
`verdict.json`, `report.html`, `nodes/<name>/` and `lineal.log`.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from checker.judgement import Judgement

FORMAT: Final = 1
COLLISIONS_MAX: Final = 1_000


class RunDirectoryProblem(Exception):
    """A run directory cannot be made or read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """One run's folder."""

    path: Path

    @property
    def history(self) -> Path:
        """The record of the run, one event a line."""
        return self.path / "history.jsonl"

    @property
    def verdict(self) -> Path:
        """What was judged."""
        return self.path / "verdict.json"

    @property
    def report(self) -> Path:
        """The report for people."""
        return self.path / "report.html"

    @property
    def nodes(self) -> Path:
        """A folder for each node: its log and its files."""
        return self.path / "nodes"

    @property
    def log(self) -> Path:
        """What the harness itself had to say."""
        return self.path / "lineal.log"

    def write_counters(self, counters: dict[str, Any]) -> None:
        """Write `counters.json`: what the nodes counted of themselves."""
        write_whole(self.path / "counters.json", pretty({"format": FORMAT, **counters}))

    def read_counters(self) -> dict[str, Any]:
        """Read `counters.json`."""
        return _read_object(self.path / "counters.json", self.path)

    def write_test(self, test: dict[str, Any]) -> None:
        """Write `test.json`."""
        write_whole(self.path / "test.json", pretty({"format": FORMAT, **test}))

    def read_test(self) -> dict[str, Any]:
        """Read `test.json`; RunDirectoryProblem if there is none or it is of a newer format."""
        return _read_object(self.path / "test.json", self.path)

    def write_verdict(self, judgement: Judgement) -> None:
        """Write `verdict.json`, whole or not at all."""
        write_whole(self.verdict, pretty(judgement.to_json()))

    def read_verdict(self) -> dict[str, Any]:
        """Read `verdict.json`."""
        return _read_object(self.verdict, self.path)


def pretty(value: Any) -> bytes:
    """A JSON value as indented text with sorted keys: the same value gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2) + b"\n"


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file so that a reader sees the old bytes or the new, never half of them."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(data)
    partial.replace(path)


def _read_object(path: Path, directory: Path) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        raise RunDirectoryProblem(
            f"{directory} is not a run directory: it has no {path.name}"
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        raise RunDirectoryProblem(f"cannot read {path}: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("format"), int):
        raise RunDirectoryProblem(f"{path} has no format number: it was not written by lineal")
    if found["format"] > FORMAT:
        raise RunDirectoryProblem(
            f"{path} has format {found['format']}, this lineal reads up to {FORMAT}: "
            "use the version that wrote it, or a newer one"
        )
    return found


def make_run_directory(runs: Path, kind: str, seed: int, now: datetime) -> RunDirectory:
    """Make a fresh folder, never one that exists, and point `<runs>/latest` at it.

    Raises RunDirectoryProblem where the place cannot be written.
    """
    stamp = f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z"
    try:
        (runs / kind).mkdir(parents=True, exist_ok=True)
        path = _make_exclusively(runs / kind, f"{stamp}-{seed}")
        (path / "nodes").mkdir()
        _point_latest(runs, path)
    except OSError as error:
        raise RunDirectoryProblem(
            f"cannot write run directories under {runs}: {error.strerror or error}; "
            "name another place with --runs DIR"
        ) from None
    return RunDirectory(path)


def _make_exclusively(parent: Path, name: str) -> Path:
    for attempt in range(COLLISIONS_MAX):
        path = parent / (name if not attempt else f"{name}-{attempt}")
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path
    raise OSError(f"{COLLISIONS_MAX} runs have the name {name} already")


def _point_latest(runs: Path, path: Path) -> None:
    link = runs / f".latest.{os.getpid()}.{path.name}"
    link.symlink_to(path.relative_to(runs))
    link.replace(runs / "latest")

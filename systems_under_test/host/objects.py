"""An object store as a directory: each object a file that is written once, whole, with a checksum.

S3 and its like are not here: signed requests, retries and time-outs without a server to try them
on would be guessed. Whatever offers these four verbs can stand in this place.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from systems_under_test.host.storage import checksum, sync_directory
from systems_under_test.replica import ObjectAnswer

if TYPE_CHECKING:
    from pathlib import Path

    from systems_under_test.replica import ObjectRequest

OBJECT_BYTES_MAX: Final = 256 * 2**20
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")
_CHECKSUM_BYTES: Final = 4


class DirectoryStore:
    """The objects under one directory, which several nodes may share."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def perform(self, asked: ObjectRequest) -> ObjectAnswer:
        """Do what is asked; whatever goes wrong is an answer, never an exception."""
        try:
            return self._perform(asked)
        except FileNotFoundError:
            return ObjectAnswer(asked.verb, asked.name, "absent")
        except (OSError, ValueError) as error:
            return ObjectAnswer(asked.verb, asked.name, "failed", reason=str(error))

    def _perform(self, asked: ObjectRequest) -> ObjectAnswer:
        verb, name = asked.verb, asked.name
        if verb == "list":
            return ObjectAnswer(verb, name, "done", names=self._names(name))
        path = self._path(name)
        if verb == "put":
            self._put(path, asked.content)
        elif verb == "delete":
            path.unlink(missing_ok=True)
        else:
            sealed = path.read_bytes()
            content = sealed[:-_CHECKSUM_BYTES]
            if checksum(name.encode(), content) != sealed[-_CHECKSUM_BYTES:]:
                return ObjectAnswer(verb, name, "damaged", reason=f"{path}: a bad checksum")
            return ObjectAnswer(verb, name, "done", content=content)
        return ObjectAnswer(verb, name, "done")

    def _put(self, path: Path, content: bytes) -> None:
        if len(content) > OBJECT_BYTES_MAX:
            raise ValueError(f"an object of {len(content)} bytes; at most {OBJECT_BYTES_MAX}")
        path.parent.mkdir(parents=True, exist_ok=True)
        # Several nodes may write the same object at once: each its own file, the last one stays.
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        with fresh.open("wb") as file:
            file.write(content + checksum(self._name(path).encode(), content))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_directory(path.parent)

    def _names(self, prefix: str) -> tuple[str, ...]:
        found = (path for path in self._directory.rglob("*") if path.is_file())
        names = (self._name(path) for path in found if not path.name.startswith("."))
        return tuple(sorted(name for name in names if name.startswith(prefix)))

    def _name(self, path: Path) -> str:
        return path.relative_to(self._directory).as_posix()

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"object {name!r}: a name has parts of a-z, 0-9, '.', '_', '-'")
        return self._directory / name

"""Object stores that nodes share: each object is written once, whole, with a checksum.

A store is a directory, see `DirectoryStore`, or a bucket, see `host.s3`.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final, Protocol

from systems_under_test.host.storage import checksum, sync_directory
from systems_under_test.replica import ObjectAnswer

if TYPE_CHECKING:
    from pathlib import Path

    from systems_under_test.replica import ObjectRequest

OBJECT_BYTES_MAX: Final = 256 * 2**20
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")
_CHECKSUM_BYTES: Final = 4


class ObjectStore(Protocol):
    """What performs the requests of replicas, in any thread."""

    def perform(self, asked: ObjectRequest) -> ObjectAnswer:
        """Do what is asked; whatever goes wrong is an answer, never an exception."""
        ...


def seal(name: str, content: bytes) -> bytes:
    """What is kept of an object: its content and a checksum of both.

    Raises ValueError if the store takes no such object.
    """
    if len(content) > OBJECT_BYTES_MAX:
        raise ValueError(f"an object of {len(content)} bytes; at most {OBJECT_BYTES_MAX}")
    return content + checksum(checked(name).encode(), content)


def unseal(name: str, sealed: bytes) -> bytes | None:
    """The content of an object; None if it is damaged, or is another's."""
    content = sealed[:-_CHECKSUM_BYTES]
    whole = checksum(name.encode(), content) == sealed[-_CHECKSUM_BYTES:]
    return content if whole else None


def checked(name: str) -> str:
    """The name, if it is one of an object. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"object {name!r}: a name has parts of a-z, 0-9, '.', '_', '-'")
    return name


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
        path = self._directory / checked(name)
        if verb == "put":
            self._put(path, seal(name, asked.content))
        elif verb == "delete":
            path.unlink(missing_ok=True)
        else:
            content = unseal(name, path.read_bytes())
            if content is None:
                return ObjectAnswer(verb, name, "damaged", reason=f"{path}: a bad checksum")
            return ObjectAnswer(verb, name, "done", content=content)
        return ObjectAnswer(verb, name, "done")

    def _put(self, path: Path, sealed: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Several nodes may write the same object at once: each its own file, the last one stays.
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        with fresh.open("wb") as file:
            file.write(sealed)
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

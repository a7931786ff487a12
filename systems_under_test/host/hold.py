"""One process at a time has a node's directory: whoever comes second changes nothing in it.

The lock is the kernel's, on the directory itself: it ends with the process that holds it, however
that dies, and leaves nothing behind that somebody would have to remove. It is taken before anything
in the directory is read. What a running process writes looks torn to one that reads beside it, and
was once taken for damage and set aside while it was in use.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def hold(directory: Path) -> int:
    """Keep every other process off a directory, which is made if it is not there.

    The descriptor that holds it: closing it lets go. Raises OSError, also where another process
    has the directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    return lock(directory, os.O_RDONLY | os.O_DIRECTORY)


def lock(path: Path, flags: int) -> int:
    """Open something and have it alone. Raises OSError, also where another process has it."""
    fd = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise OSError(f"{path}: another process uses it") from error
    except OSError:
        os.close(fd)
        raise
    return fd

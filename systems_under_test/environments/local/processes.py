"""What the operating system says of a process. Imports little: the guardian starts with it."""

from __future__ import annotations

import os
import subprocess
from typing import NamedTuple


class Seen(NamedTuple):
    """A process as it was a moment ago."""

    letter: str
    """`T` stopped, `Z` dead and not yet fetched, anything else: alive."""
    birth: str
    """When it began, in the system's own notation. A number used again has another one."""


def look(pid: int) -> Seen | None:
    """What there is under that number, None if nothing."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None if os.path.isdir("/proc/self") else _ask_ps(pid)
    # The name, in parentheses, may hold anything; the fields are counted from behind it.
    fields = text[text.rindex(")") + 2 :].split()
    return Seen(fields[0], fields[19])


def _ask_ps(pid: int) -> Seen | None:
    """Where there is no /proc."""
    asked = ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)]
    said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split(None, 1)
    return Seen(said[0][0], said[1].strip()) if len(said) == 2 else None

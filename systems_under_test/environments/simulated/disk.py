"""A node's disk: tables and files, what of them is not yet durable, and how it can go wrong.

The disk shows every write at once; for each input that is not durable yet it remembers how to undo
it, so that a crash can take back the last inputs. Every record carries a checksum.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from systems_under_test.environments.cluster import DiskQuality
from systems_under_test.replica import Append, AppendLater, StorageDamaged, Write, WriteLater

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from systems_under_test.environments.cluster import DamageKind
    from systems_under_test.environments.simulated.options import SimulationOptions
    from systems_under_test.rng import Rng

Change = Write | WriteLater | Append | AppendLater

FULL: Final = "no space left on the disk"
FAILING: Final = "I/O error"

_ENTRIES = (Write, WriteLater)
_CHECKSUM: Final = 4


class ReadFailed(Exception):
    """A read met an I/O error. The node dies of it."""


class Table:
    """An ordered table of checksummed values."""

    __slots__ = ("frames", "keys", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.frames: dict[bytes, bytes] = {}
        self.keys: list[bytes] = []

    def put(self, key: bytes, frame: bytes | None) -> bytes | None:
        """Store a frame (None deletes); the frame before it."""
        if frame is None:
            before = self.frames.pop(key, None)
            if before is not None:
                del self.keys[bisect_left(self.keys, key)]
            return before
        before = self.frames.get(key)
        if before is None:
            insort(self.keys, key)
        self.frames[key] = frame
        return before

    def open(self, key: bytes, frame: bytes, *, checked: bool = True) -> bytes:
        """The value in a frame. Raises StorageDamaged, unless checksums are not looked at."""
        value = frame[_CHECKSUM:]
        if checked and frame[:_CHECKSUM] != _checksum(value, crc32(key)):
            raise StorageDamaged(f"table {self.name!r}, key {key!r}: the checksum does not match")
        return value


class File:
    """An append-only file of checksummed records."""

    __slots__ = ("frames", "name", "torn")

    def __init__(self, name: str) -> None:
        self.name = name
        self.frames: list[bytes] = []
        self.torn = False
        """Whether an incomplete record follows the last whole one."""

    def open(self, index: int, *, checked: bool = True) -> bytes:
        """The record at this index. Raises StorageDamaged, unless checksums are not looked at."""
        frame = self.frames[index]
        value = frame[_CHECKSUM:]
        if checked and frame[:_CHECKSUM] != _checksum(value, index):
            raise StorageDamaged(f"file {self.name!r}, record {index}: the checksum does not match")
        return value


_Undo = tuple[Table, bytes, "bytes | None", "bytes | None"] | tuple[File, bytes]


class Disk:
    """The storage of one node; its reading side is what a replica is given as `Turn.storage`.

    The inputs that are not durable stand in order in `_unsynced`. The first `_handed_over` of them
    have been handed to the operating system: the death of the process does not touch them.
    """

    __slots__ = (
        "_files", "_handed_over", "_options", "_rng", "_tables", "_unsynced",
        "checked", "counters", "damaged", "quality",
    )  # fmt: skip

    def __init__(self, options: SimulationOptions, rng: Rng) -> None:
        self._options = options
        self._rng = rng
        self._tables: dict[str, Table] = {}
        self._files: dict[str, File] = {}
        self._unsynced: list[list[_Undo]] = []
        self._handed_over = 0
        self.quality = DiskQuality()
        self.damaged = False
        self.checked = True
        """Whether checksums are looked at; only a named bug has it otherwise."""
        self.counters = dict.fromkeys(
            (
                "commits", "refused_full", "slowed", "failed", "failed_reads",
                "lost", "torn", "flipped", "truncated", "wiped",
            ),
            0,
        )  # fmt: skip

    # --- what a replica sees ---

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value under a key."""
        self._read()
        at = self._tables.get(table)
        frame = at.frames.get(key) if at is not None else None
        return None if at is None or frame is None else at.open(key, frame, checked=self.checked)

    def scan(
        self,
        table: str,
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        size_max: int | None = None,
    ) -> Iterator[tuple[bytes, bytes]]:
        """The entries with start <= key < stop, in order."""
        self._read()
        at = self._tables.get(table)
        if at is None:
            return
        first = bisect_left(at.keys, start)
        last = len(at.keys) if stop is None else bisect_left(at.keys, stop)
        size = 0
        for key in at.keys[first:last]:
            value = at.open(key, at.frames[key], checked=self.checked)
            yield key, value
            size += len(key) + len(value)
            if size_max is not None and size >= size_max:
                return

    def records(self, file: str) -> Iterator[bytes]:
        """The whole records of a file, oldest first."""
        self._read()
        at = self._files.get(file)
        for index in range(len(at.frames) if at is not None else 0):
            yield at.open(index, checked=self.checked)  # type: ignore[union-attr]

    def damaged_records(self) -> Iterator[str]:
        """File and record of everything that has a bad checksum."""
        for table in self._tables.values():
            for key in table.keys:
                if table.frames[key][:_CHECKSUM] != _sum_of(table.frames[key], crc32(key)):
                    yield f"table {table.name!r}, key {key!r}: the checksum does not match"
        for file in self._files.values():
            for index, frame in enumerate(file.frames):
                if frame[:_CHECKSUM] != _sum_of(frame, index):
                    yield f"file {file.name!r}, record {index}: the checksum does not match"

    # --- what the host does ---

    def apply(self, changes: Sequence[Change]) -> None:
        """Show the changes of one input; nothing of them is durable."""
        undo: list[_Undo] = []
        for change in changes:
            if isinstance(change, _ENTRIES):
                table = self._tables.get(change.table)
                if table is None:
                    table = self._tables[change.table] = Table(change.table)
                frame = None
                if change.value is not None:
                    frame = _checksum(change.value, crc32(change.key)) + change.value
                undo.append((table, change.key, table.put(change.key, frame), frame))
            else:
                file = self._files.get(change.file)
                if file is None:
                    file = self._files[change.file] = File(change.file)
                frame = _checksum(change.record, len(file.frames)) + change.record
                file.frames.append(frame)
                undo.append((file, frame))
        self._unsynced.append(undo)

    def hand_over(self) -> None:
        """Every input so far is with the operating system: only power loss takes it now."""
        self._handed_over = len(self._unsynced)
        if self._handed_over > self._options.unsynced_inputs_max:
            self._settle(self._handed_over // 2)

    def unsynced(self) -> int:
        """How many inputs are not durable: what a commit that begins now will cover."""
        return len(self._unsynced)

    def refuses(self) -> bool:
        """Whether a write finds no space now; counts that it did."""
        self.counters["refused_full"] += self.quality.full
        return self.quality.full

    def commit(self, inputs: int) -> str | None:
        """A commit of the first so many inputs has ended: None, or why it failed."""
        if self.refuses():
            return FULL
        if self.quality.errors_ppm and self._rng.chance(self.quality.errors_ppm):
            self.counters["failed"] += 1
            return FAILING
        self.counters["commits"] += 1
        self._settle(inputs)
        return None

    def settle(self) -> None:
        """Make durable whatever is there: what a start does before it reads."""
        self._settle(len(self._unsynced))
        for file in self._files.values():
            file.torn = False

    def process_died(self) -> None:
        """What was not handed over survives up to some input: the crash struck around a commit."""
        open_inputs = len(self._unsynced) - self._handed_over
        if open_inputs:
            self._undo_from(self._handed_over + self._rng.below(open_inputs + 1))
        self._handed_over = len(self._unsynced)

    def power_lost(self) -> None:
        """Of the un-synced inputs the first ones survive, or any, by option."""
        inputs = self._unsynced
        if not inputs:
            return
        if self._options.power_loss == "subset":
            kept = [undo for undo in inputs if self._rng.below(2)]
            self._undo_from(0)
            self.counters["lost"] -= sum(len(undo) for undo in kept)
            for undo in kept:
                self._redo(undo)
        else:
            survivors = self._rng.below(len(inputs) + 1)
            torn = None
            if survivors < len(inputs) and self._rng.chance(self._options.torn_ppm):
                torn = next((u[0] for u in inputs[survivors] if isinstance(u[0], File)), None)
            self._undo_from(survivors)
            if torn is not None:
                torn.torn = True
                self.counters["torn"] += 1
        self._unsynced.clear()
        self._handed_over = 0

    def wipe(self) -> None:
        """Forget everything: the memory of a process that ended, or a disk that was lost."""
        self._tables.clear()
        self._files.clear()
        self._unsynced.clear()
        self._handed_over = 0

    def damage(self, kind: DamageKind) -> dict[str, Any]:
        """Damage one record or file; says which, `file` None if there was none to damage."""
        acts = {
            "torn": self._tear,
            "flip": self._flip,
            "truncate": self._truncate,
            "lost": self._lose,
        }
        return acts[kind]()

    def _truncate(self) -> dict[str, Any]:
        """Take the second half of a file or table: its length says that more had been there."""
        rooms: list[Table | File] = [
            *(table for table in self._tables.values() if table.keys),
            *(file for file in self._files.values() if file.frames),
        ]
        if not rooms:
            return {"file": None, "record": None}
        self.settle()
        self.damaged = True
        self.counters["truncated"] += 1
        room = self._rng.choice(rooms)
        if isinstance(room, Table):
            first = len(room.keys) // 2
            gone = len(room.keys) - first
            for key in room.keys[first:]:
                room.frames[key] = b""
        else:
            first = len(room.frames) // 2
            gone = len(room.frames) - first
            room.frames[first:] = [b""] * gone
        return {"file": room.name, "record": first, "records_gone": gone}

    def _lose(self) -> dict[str, Any]:
        """Put an empty disk in the place of this one."""
        rooms: list[Any] = [*self._tables.values(), *self._files.values()]
        records = sum(len(room.frames) for room in rooms)
        self.wipe()
        self.counters["wiped"] += 1
        return {"file": None, "record": None, "records": records}

    def _tear(self) -> dict[str, Any]:
        """Cut the last record of a file short.

        If it was not durable yet, that is a torn tail as any crash may leave it, and the inputs
        from there on are gone. If it was, it is damage: its bytes had been promised.
        """
        files = [file for file in self._files.values() if file.frames]
        if not files:
            return {"file": None, "record": None}
        file = self._rng.choice(files)
        index = len(file.frames) - 1
        self.counters["torn"] += 1
        writers = [i for i, undo in enumerate(self._unsynced) if any(u[0] is file for u in undo)]
        if writers:
            self._undo_from(writers[-1])
            file.torn = True
        else:
            frame = file.frames[index]
            file.frames[index] = frame[: max(1, self._rng.below(len(frame)))]
            self.damaged = True
        return {"file": file.name, "record": index, "durable": not writers}

    def _flip(self) -> dict[str, Any]:
        """Flip one bit of one stored record: of any file, then of any record in it.

        Drawn among all records at once, the few that matter most would hardly ever be hit.
        """
        rooms: list[Any] = [*self._tables.values(), *self._files.values()]
        rooms = [room for room in rooms if room.frames]
        if not rooms:
            return {"file": None, "record": None}
        self.settle()
        self.damaged = True
        self.counters["flipped"] += 1
        room = self._rng.choice(rooms)
        places: Any = room.keys if isinstance(room, Table) else range(len(room.frames))
        where: Any = self._rng.choice(places)
        frame = room.frames[where]
        bit = self._rng.below(8 * len(frame))
        flipped = bytearray(frame)
        flipped[bit // 8] ^= 1 << bit % 8
        room.frames[where] = bytes(flipped)
        record = where if isinstance(where, int) else where.decode("utf-8", "backslashreplace")
        return {"file": room.name, "record": record, "bit": bit}

    def _read(self) -> None:
        if self.quality.read_errors_ppm and self._rng.chance(self.quality.read_errors_ppm):
            self.counters["failed_reads"] += 1
            raise ReadFailed(FAILING)

    def _settle(self, inputs: int) -> None:
        del self._unsynced[:inputs]
        self._handed_over = max(0, self._handed_over - inputs)

    def _undo_from(self, survivors: int) -> None:
        for undo in reversed(self._unsynced[survivors:]):
            for step in reversed(undo):
                self.counters["lost"] += 1
                if len(step) == 2:
                    step[0].frames.pop()
                else:
                    step[0].put(step[1], step[2])
        del self._unsynced[survivors:]

    def _redo(self, undo: list[_Undo]) -> None:
        for step in undo:
            if len(step) == 2:
                file, frame = step
                value = frame[_CHECKSUM:]
                file.frames.append(_checksum(value, len(file.frames)) + value)
            else:
                step[0].put(step[1], step[3])


def _sum_of(frame: bytes, seed: int) -> bytes:
    return _checksum(frame[_CHECKSUM:], seed)


def _checksum(value: bytes, seed: int) -> bytes:
    return crc32(value, seed).to_bytes(_CHECKSUM, "big")

"""The object store that is a directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from systems_under_test.host.objects import OBJECT_BYTES_MAX, DirectoryStore
from systems_under_test.replica import ObjectRequest

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_put_is_got_listed_and_deleted(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "objects")
    for name in ("a/1", "a/2", "b/1"):
        assert store.perform(ObjectRequest("put", name, name.encode())).status == "done"
    assert store.perform(ObjectRequest("get", "a/2")).content == b"a/2"
    assert store.perform(ObjectRequest("list", "a/")).names == ("a/1", "a/2")
    assert store.perform(ObjectRequest("list", "")).names == ("a/1", "a/2", "b/1")
    assert store.perform(ObjectRequest("delete", "a/2")).status == "done"
    assert store.perform(ObjectRequest("delete", "a/2")).status == "done"
    assert store.perform(ObjectRequest("get", "a/2")).status == "absent"
    assert store.perform(ObjectRequest("list", "a/")).names == ("a/1",)


def test_an_object_is_replaced_whole_and_may_be_empty(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    for content in (b"x" * 100, b"", b"short"):
        store.perform(ObjectRequest("put", "o", content))
        answer = store.perform(ObjectRequest("get", "o"))
        assert (answer.status, answer.content) == ("done", content)
    assert [path.name for path in tmp_path.iterdir()] == ["o"]


def test_a_flipped_bit_anywhere_in_an_object_is_told_with_its_file(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.perform(ObjectRequest("put", "segments/1", b"content"))
    path = tmp_path / "segments/1"
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        spoilt = bytearray(whole)
        spoilt[bit // 8] ^= 1 << bit % 8
        path.write_bytes(spoilt)
        answer = store.perform(ObjectRequest("get", "segments/1"))
        assert (answer.status, answer.content) == ("damaged", b"")
        assert str(path) in answer.reason


def test_an_object_moved_to_another_name_is_damaged(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.perform(ObjectRequest("put", "one", b"content"))
    (tmp_path / "one").rename(tmp_path / "two")
    assert store.perform(ObjectRequest("get", "two")).status == "damaged"


@pytest.mark.parametrize(
    "name", ["", "../out", "a/../../out", "/etc/passwd", "A", ".hidden", "a//b"]
)
def test_a_name_that_leaves_the_directory_is_refused(tmp_path: Path, name: str) -> None:
    store = DirectoryStore(tmp_path / "objects")
    for verb in ("put", "get", "delete"):
        answer = store.perform(ObjectRequest(verb, name, b""))
        assert (answer.status, "a name has parts" in answer.reason) == ("failed", True)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_done_is_an_answer_and_no_exception(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = DirectoryStore(tmp_path / "file")
    assert store.perform(ObjectRequest("put", "o", b"")).status == "failed"
    assert store.perform(ObjectRequest("put", "o", bytes(OBJECT_BYTES_MAX + 1))).status == "failed"

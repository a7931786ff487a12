"""The object store that is a bucket, asked of a server that speaks the protocol of S3."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.host.objects import DirectoryStore
from systems_under_test.host.options import parse_options
from systems_under_test.host.s3 import open_bucket
from systems_under_test.replica import ObjectRequest
from systems_under_test.rng import Rng
from tests.systems_under_test.host.bucket import bucket, client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from moto.server import ThreadedMotoServer

    from systems_under_test.host.s3 import BucketStore

pytestmark = pytest.mark.live


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedMotoServer]:
    with bucket(monkeypatch) as server:
        yield server


@pytest.fixture
def store(server: ThreadedMotoServer) -> BucketStore:
    return open_bucket("s3://archive/of/one")


def test_it_answers_as_a_directory_does(store: BucketStore, tmp_path: Path) -> None:
    directory = DirectoryStore(tmp_path)
    rng = Rng("s3").stream("requests")
    names = [f"{part}/{number}" for part in ("segments", "snapshots") for number in range(4)]
    verbs = ["put", "put", "get", "delete", "list"]
    for number in range(150):
        verb: Any = verbs[rng.below(len(verbs))]
        name = "se" if verb == "list" else names[rng.below(len(names))]
        content = str(number).encode() * rng.below(50) if verb == "put" else b""
        request = ObjectRequest(verb, name, content)
        assert store.perform(request) == directory.perform(request)


def test_prefixes_keep_stores_apart(store: BucketStore) -> None:
    store.perform(ObjectRequest("put", "a", b"one"))
    other = open_bucket("s3://archive")
    assert other.perform(ObjectRequest("list", "")).names == ("of/one/a",)
    assert open_bucket("s3://archive/of/two/").perform(ObjectRequest("list", "")).names == ()


def test_more_names_than_a_page_holds_are_listed(
    store: BucketStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "5")
    names = tuple(f"n/{number:02}" for number in range(12))
    for name in names:
        store.perform(ObjectRequest("put", name, b""))
    assert store.perform(ObjectRequest("list", "n/")).names == names


def test_a_flipped_bit_and_another_name_are_damage(store: BucketStore) -> None:
    store.perform(ObjectRequest("put", "a", b"content"))
    whole = client().get_object(Bucket="archive", Key="of/one/a")["Body"].read()
    client().put_object(Bucket="archive", Key="of/one/b", Body=whole)
    assert store.perform(ObjectRequest("get", "b")).status == "damaged"
    for bit in (0, 8 * len(whole) - 1):
        spoilt = bytearray(whole)
        spoilt[bit // 8] ^= 1 << bit % 8
        client().put_object(Bucket="archive", Key="of/one/a", Body=bytes(spoilt))
        answer = store.perform(ObjectRequest("get", "a"))
        assert (answer.status, answer.content) == ("damaged", b"")
        assert "s3://archive/of/one/a" in answer.reason


def test_what_goes_wrong_is_an_answer(server: ThreadedMotoServer, store: BucketStore) -> None:
    missing = open_bucket("s3://no-such-bucket/p")
    for request in (ObjectRequest("put", "a", b""), ObjectRequest("list", "")):
        answer = missing.perform(request)
        assert (answer.status, "bucket does not exist" in answer.reason) == ("failed", True)
    assert "a name has parts" in store.perform(ObjectRequest("put", "../a", b"")).reason
    server.stop()
    answer = store.perform(ObjectRequest("get", "a"))
    assert (answer.status, "Could not connect" in answer.reason) == ("failed", True)


@pytest.mark.parametrize("place", ["s3://", "s3:///p", "http://a/b", "s3://a/b?c"])
def test_what_is_no_bucket_is_refused(
    place: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["--node", "n1", "--nodes", "n1", "--replica", "a:b", "--directory", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        parse_options([*words, "--objects", place])
    assert ended.value.code == 64
    assert "is a directory or s3://BUCKET/PREFIX" in capsys.readouterr().err


def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ValueError, match=r"pip install lineal\[s3\]"):
        open_bucket("s3://archive")

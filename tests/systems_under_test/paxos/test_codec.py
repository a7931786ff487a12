"""Operations as requests, replies as completions; what is definite and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from systems_under_test.paxos.codec import KvCodec, RegisterCodec, TransactionCodec
from workloads.client import Codec, Failure, Reply
from workloads.invocations import Invocation, invoke

WRITE = Invocation("write", 7, "k", 3)
READ = Invocation("read", None, "k", 3)


def test_the_process_is_the_session_and_the_operation_the_sequence() -> None:
    request = RegisterCodec().encode(WRITE, "r42")
    assert request.headers["x-lineal-request"] == "p3/42"
    assert (request.method, request.target, request.body) == ("PUT", "/kv/k", b"7")


@pytest.mark.parametrize(
    ("codec", "invocation", "body", "output"),
    [
        (RegisterCodec(), READ, b'{"value":7,"slot":3}', 7),
        (RegisterCodec(), WRITE, b'{"slot":3}', None),
        (RegisterCodec(), invoke("cas", [1, 2], key="k"), b'{"swapped":false,"slot":3}', False),
        (KvCodec(), invoke("get", key="k"), b'{"value":"x","slot":3}', "x"),
        (KvCodec(), invoke("append", "y", key="k"), b'{"txn":[["concat","k","y"]],"slot":3}', None),
        (
            TransactionCodec(),
            invoke("txn", [["r", "a", None], ["w", "b", 1]], key="f"),
            b'{"txn":[["r","f/a",5],["w","f/b",1]],"slot":3}',
            [["r", "a", 5], ["w", "b", 1]],
        ),
    ],
)
def test_a_good_reply_is_ok_with_its_slot(
    codec: Codec, invocation: Invocation, body: bytes, output: Any
) -> None:
    codec.encode(invocation, "r1")
    done = codec.decode(invocation, Reply(200, {}, body))
    assert (done.type, done.output, done.extra) == ("ok", output, {"slot": 3})


@pytest.mark.parametrize(
    ("reply", "write", "read"),
    [
        (Failure("refused", definite=True), "fail", "fail"),
        (Failure("timed out", definite=False), "info", "fail"),
        (Reply(409, {}, b'{"error":"no","definite":true}'), "fail", "fail"),
        (Reply(504, {}, b'{"error":"who knows","definite":false}'), "info", "fail"),
        (Reply(500, {}, b"oops"), "info", "fail"),
    ],
)
def test_only_what_is_proved_definite_fails(reply: Reply | Failure, write: str, read: str) -> None:
    assert RegisterCodec().decode(WRITE, reply).type == write
    assert RegisterCodec().decode(READ, reply).type == read


def test_a_transaction_that_only_reads_changes_nothing() -> None:
    codec = TransactionCodec()
    lost = Failure("timed out", definite=False)
    assert codec.decode(invoke("txn", [["r", "a", None]]), lost).type == "fail"
    assert codec.decode(invoke("txn", [["w", "a", 1]]), lost).type == "info"


@pytest.mark.parametrize("codec", [RegisterCodec(), KvCodec(), TransactionCodec()])
def test_an_unknown_operation_is_an_error(codec: Codec) -> None:
    with pytest.raises(ValueError, match="not 'fly'"):
        codec.encode(invoke("fly", key="k"), "r1")

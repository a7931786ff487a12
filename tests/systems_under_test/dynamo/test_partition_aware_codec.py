"""The rounds of a client that knows the ring: whom it asks, and what it takes the answers for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from systems_under_test.dynamo.codec import SiblingsCodec
from systems_under_test.dynamo.configuration import configure
from systems_under_test.dynamo.partition_aware_codec import PartitionAware
from tests.systems_under_test.dynamo.driving import Drive
from workloads.client import Completion, Failure, Reply, Request
from workloads.conversation import Answers, Conversation, Round, conversing, told
from workloads.invocations import Invocation, invoke

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND = 1_000_000_000
CODEC = PartitionAware(SiblingsCodec(), configure({"client": "partition-aware"}))
DRIVE = Drive()
RING = DRIVE.page("n1", "ring")
HOME, _ = DRIVE.home("k")
WRITE = invoke("put", {"value": 1, "context": None}, key="k")


def ok(content: Any) -> Reply:
    return Reply(200, {}, msgspec.json.encode(content))


def carried_out(
    invocation: Invocation,
    answer: Callable[[str, Request], Reply | Failure],
    memory: dict[str, Any] | None = None,
    now: int = 0,
) -> tuple[Completion, list[Round]]:
    """The completion, and every round that was asked for."""
    talk: Conversation = CODEC.converse(
        invocation, "r1", node="n4", memory={} if memory is None else memory, now=now
    )
    rounds: list[Round] = []
    answers: Answers | None = None
    while True:
        try:
            asked = next(talk) if answers is None else talk.send(answers)
        except StopIteration as ended:
            return ended.value, rounds
        rounds.append(asked)
        answers = {node: answer(node, request) for node, request in asked.requests.items()}


def store(node: str, request: Request) -> Reply | Failure:
    if request.target == "/ring":
        return ok(RING)
    if request.method == "GET":
        return ok({"versions": [], "context": None})
    return ok({"id": f"{node}.1.1", "context": "token"})


def test_it_fetches_the_ring_from_its_own_node_first_and_again_when_it_is_old() -> None:
    memory: dict[str, Any] = {}
    for now, rounds_expected in [(0, 2), (SECOND, 1), (9 * SECOND, 1), (10 * SECOND, 2)]:
        done, rounds = carried_out(invoke("get", key="k"), store, memory, now)
        assert done == Completion("ok", {"versions": [], "context": None})
        assert len(rounds) == rounds_expected
        if rounds_expected == 2:
            assert rounds[0] == Round({"n4": Request("GET", "/ring")}, 1)


def test_a_read_asks_every_home_node_for_its_own_copy_and_goes_on_with_r() -> None:
    _, rounds = carried_out(invoke("get", key="k"), store)
    assert list(rounds[1].requests) == HOME
    assert {request.target for request in rounds[1].requests.values()} == {"/kv/k?r=own"}
    assert rounds[1].enough == 2


def test_a_read_of_which_too_few_home_nodes_answer_fails() -> None:
    def one_only(node: str, request: Request) -> Reply | Failure:
        if request.target == "/ring" or node == HOME[1]:
            return store(node, request)
        return Failure("timed out", definite=False)

    done, _ = carried_out(invoke("get", key="k"), one_only)
    assert done.type == "fail"
    assert done.error == "1 of 2 home nodes answered"


def test_a_write_goes_to_the_first_home_node() -> None:
    done, rounds = carried_out(WRITE, store)
    assert [list(asked.requests) for asked in rounds] == [["n4"], [HOME[0]]]
    assert done.output == {"id": f"{HOME[0]}.1.1", "context": "token"}


@pytest.mark.parametrize(
    "reply",
    [
        Failure("timed out", definite=False),
        Reply(503, {}, b"{}"),
        Reply(503, {}, b"no JSON"),
        Reply(503, {}, b'{"error": "W not reached", "definite": false}'),
    ],
)
def test_a_write_that_was_sent_is_never_sent_elsewhere(reply: Reply | Failure) -> None:
    def silent(node: str, request: Request) -> Reply | Failure:
        return ok(RING) if request.target == "/ring" else reply

    done, rounds = carried_out(WRITE, silent)
    assert done.type == "info"
    assert len(rounds) == 2


def test_a_write_that_surely_never_left_goes_to_the_next_home_and_the_first_is_shunned() -> None:
    memory: dict[str, Any] = {}

    def refusing(node: str, request: Request) -> Reply | Failure:
        if node == HOME[0] and request.target != "/ring":
            return Failure("connection refused", definite=True)
        return store(node, request)

    done, rounds = carried_out(WRITE, refusing, memory)
    assert [list(asked.requests) for asked in rounds[1:]] == [[HOME[0]], [HOME[1]]]
    assert done.type == "ok"
    _, rounds = carried_out(WRITE, refusing, memory, SECOND // 2)
    assert [list(asked.requests) for asked in rounds] == [[HOME[1]]]
    _, rounds = carried_out(WRITE, store, memory, 2 * SECOND)
    assert [list(asked.requests) for asked in rounds] == [[HOME[0]]]


def test_a_write_that_no_home_node_could_be_asked_for_surely_failed() -> None:
    def refusing(node: str, request: Request) -> Reply | Failure:
        return ok(RING) if request.target == "/ring" else Failure("refused", definite=True)

    done, rounds = carried_out(WRITE, refusing)
    assert done == Completion("fail", error="refused")
    assert len(rounds) == 4


def test_without_a_ring_its_own_node_is_asked_and_the_ring_fetched_the_next_time() -> None:
    memory: dict[str, Any] = {}

    def no_ring(node: str, request: Request) -> Reply | Failure:
        return Reply(503) if request.target == "/ring" else store(node, request)

    for _ in range(2):
        done, rounds = carried_out(invoke("get", key="k"), no_ring, memory)
        assert done.type == "ok"
        assert rounds[1] == Round({"n4": Request("GET", "/kv/k", {"x-request-id": "r1"})}, 1)
        assert len(rounds) == 2


def test_a_final_read_goes_to_the_node_that_it_names() -> None:
    _, rounds = carried_out(invoke("get", {"r": "all"}, key="k"), store)
    assert [list(asked.requests) for asked in rounds] == [["n4"]]


def test_only_a_codec_that_converses_has_that_power() -> None:
    assert conversing(CODEC) is CODEC
    assert conversing(SiblingsCodec()) is None


def test_a_node_that_says_it_cannot_has_not_answered() -> None:
    assert told({"n1": Reply(503), "n2": Failure("gone", definite=True)}) == 0
    assert told({"n1": Reply(200), "n2": Reply(421), "n3": Reply(500)}) == 2


def test_a_write_that_was_refused_for_certain_goes_to_the_next_home() -> None:
    def starting_over(node: str, request: Request) -> Reply | Failure:
        if node == HOME[0] and request.method == "PUT":
            return Reply(503, {}, b'{"error": "start over first", "definite": true}')
        return store(node, request)

    memory: dict[str, Any] = {}
    done, rounds = carried_out(WRITE, starting_over, memory)
    assert done.type == "ok"
    assert [list(asked.requests) for asked in rounds[1:]] == [[HOME[0]], [HOME[1]]]
    _, rounds = carried_out(WRITE, starting_over, memory, SECOND // 2)
    assert [list(asked.requests) for asked in rounds] == [[HOME[1]]]


def test_a_write_that_is_wrong_in_itself_is_not_asked_of_the_next_home() -> None:
    def refusing(node: str, request: Request) -> Reply | Failure:
        if request.target == "/ring":
            return ok(RING)
        return Reply(409, {}, b'{"error": "too many siblings", "definite": true}')

    done, rounds = carried_out(WRITE, refusing)
    assert done.type == "fail"
    assert len(rounds) == 2


def test_a_read_that_meets_a_node_which_keeps_the_key_no_more_fetches_the_ring_anew() -> None:
    memory: dict[str, Any] = {}
    carried_out(invoke("get", key="k"), store, memory)

    asked_for: list[str] = []

    def moved(node: str, request: Request) -> Reply | Failure:
        asked_for.append(request.target)
        if node == HOME[0] and "/ring" not in asked_for:
            return Reply(421, {}, b"{}")
        return store(node, request)

    done, rounds = carried_out(invoke("get", key="k"), moved, memory, SECOND)
    assert done.type == "ok"
    assert [list(asked.requests) for asked in rounds] == [HOME, ["n4"], HOME]


def test_a_read_that_meets_such_a_node_again_and_again_goes_to_its_own_node() -> None:
    def moved(node: str, request: Request) -> Reply | Failure:
        own = request.target.endswith("?r=own")
        return Reply(421, {}, b"{}") if own else store(node, request)

    done, rounds = carried_out(invoke("get", key="k"), moved)
    assert done.type == "ok"
    assert [list(asked.requests) for asked in rounds] == [["n4"], HOME, ["n4"], HOME, ["n4"]]

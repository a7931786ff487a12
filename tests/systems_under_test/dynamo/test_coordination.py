"""Reads and writes are coordinated by the paper's state machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from systems_under_test.dynamo.deadlines import Deadlines
from systems_under_test.dynamo.failure_detection import PROBE
from systems_under_test.dynamo.messages import (
    Fetch,
    Fetched,
    Forward,
    Forwarded,
    Ping,
    Pong,
    Store,
    Stored,
)
from systems_under_test.dynamo.read_coordination import READ_DEADLINE, READ_PATIENCE
from systems_under_test.dynamo.versions import NOTHING, decode
from systems_under_test.dynamo.write_coordination import WRITE_DEADLINE, WRITE_PATIENCE
from systems_under_test.replica import Respond, SetTimer, Write
from tests.systems_under_test.dynamo.alone import (
    Alone,
    Tables,
    logged,
    responses,
    sent,
    step_on,
    writes,
)
from tests.systems_under_test.dynamo.driving import Drive, put
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from systems_under_test.dynamo.step import Step


def home_of(node: Alone, key: bytes) -> tuple[list[str], list[str]]:
    """(home, stand-ins) of a key as the node shows it."""
    life = node.replica._life
    assert life is not None
    lists = life.node.lists
    placed = life.node.ring.place(key)
    return list(lists.home(placed.range)), list(lists.fallbacks(placed.range))


def at_home(key: str, options: dict[str, Any] | None = None, position: int = 0) -> Alone:
    """The node at this position of the preference list of the key."""
    home, stand_ins = home_of(Alone(), key.encode())
    return Alone([*home, *stand_ins][position], options)


def test_the_coordinator_stores_first_and_ships_one_copy_to_each_other_home_node() -> None:
    node = at_home("k")
    effects = node.request("PUT", "/kv/k", b"v")
    home, _ = home_of(node, b"k")
    messages = sent(effects)
    assert [to for to, _ in messages] == home[1:]
    assert all(isinstance(m, Store) and m.home == to for to, m in messages)
    last_write = max(i for i, e in enumerate(effects) if isinstance(e, Write))
    assert last_write < effects.index(next(e for e in effects if type(e).__name__ == "Send"))
    assert not responses(effects)


def test_a_write_is_answered_when_w_copies_are_durable_and_not_before() -> None:
    node = at_home("k", {"w": 3})
    (first, one), (second, _) = sent(node.request("PUT", "/kv/k", b"v"))
    assert isinstance(one, Store)
    assert not responses(node.message(first, Stored(one.request)))
    assert not responses(node.message(first, Stored(one.request))), "an answer counted twice"
    (reply,) = responses(node.message(second, Stored(one.request)))
    assert reply.status == 200


def test_a_slow_home_node_and_its_stand_in_count_as_one_copy() -> None:
    """The stand-in hands its hint to that very node and forgets it: one store would hold both."""
    node = at_home("k", {"w": 3})
    (slow, store), (other, _) = sent(node.request("PUT", "/kv/k", b"v"))
    assert isinstance(store, Store)
    (stand_in, hint), _ = sent(node.fire(WRITE_PATIENCE, after_ms=250))
    assert isinstance(hint, Store)
    assert hint.home == slow
    assert not responses(node.message(stand_in, Stored(store.request)))
    assert not responses(node.message(slow, Stored(store.request)))
    (reply,) = responses(node.message(other, Stored(store.request)))
    assert reply.status == 200


def test_w_not_reached_is_not_definite_since_something_was_stored() -> None:
    node = at_home("k")
    node.request("PUT", "/kv/k", b"v")
    node.fire(WRITE_PATIENCE, after_ms=250)
    (reply,) = responses(node.fire(WRITE_DEADLINE, after_ms=750))
    content = msgspec.json.decode(reply.body)
    assert reply.status == 503
    assert content == {"error": "W not reached: 1 of 2 copies are durable", "definite": False}


def test_a_replica_acknowledges_after_its_own_durable_write() -> None:
    coordinator = at_home("k")
    (to, message), _ = sent(coordinator.request("PUT", "/kv/k", b"v"))
    replica = Alone(to)
    effects = replica.message("n1", message)
    assert [type(e).__name__ for e in effects] == ["Write", "Send"]
    assert sent(effects) == [("n1", Stored(message.request))]  # type: ignore[union-attr]
    again = replica.message("n1", message)
    assert not writes(again), "nothing new to write"
    assert len(sent(again)) == 1


def test_the_copy_of_a_node_that_does_not_acknowledge_goes_to_a_stand_in() -> None:
    node = at_home("k")
    (_, store), _ = sent(node.request("PUT", "/kv/k", b"v"))
    home, stand_ins = home_of(node, b"k")
    assert isinstance(store, Store)
    node.message(home[1], Stored(store.request))
    ((to, message),) = sent(node.fire(WRITE_PATIENCE, after_ms=250))
    assert to == stand_ins[0]
    assert isinstance(message, Store)
    assert message.home == home[2]
    # The next write knows, and goes there at once.
    second = sent(node.request("PUT", "/kv/k", b"v"))
    assert [(to, m.home) for to, m in second if isinstance(m, Store)] == [
        (home[1], home[1]),
        (stand_ins[0], home[2]),
    ]


def test_a_strict_quorum_has_no_stand_ins_and_refuses_for_certain_without_w() -> None:
    node = at_home("k", {"quorum": "strict"})
    node.request("PUT", "/kv/k", b"v")
    assert not sent(node.fire(WRITE_PATIENCE, after_ms=250))
    effects = node.request("PUT", "/kv/k", b"v")
    (reply,) = responses(effects)
    assert reply.status == 503
    assert msgspec.json.decode(reply.body)["definite"] is True
    assert not writes(effects)
    assert not sent(effects)


def test_a_node_that_is_not_preferred_forwards_once_with_the_request_id_and_logs_it() -> None:
    node = at_home("k", position=4)
    effects = node.request("PUT", "/kv/k", b"v", x_request_id="abc")
    ((to, message),) = sent(effects)
    assert to == home_of(node, b"k")[0][0]
    assert isinstance(message, Forward)
    assert message.name == "abc"
    assert logged(effects) == ["forward"]
    assert not writes(effects)
    # Nothing more is sent elsewhere, whatever time passes.
    later = [*node.fire("forward-patience", 250), *node.fire("forward-deadline", 1000)]
    assert {to for to, m in sent(later) if isinstance(m, Forward | Store)} == set()
    (reply,) = responses(later)
    assert msgspec.json.decode(reply.body)["definite"] is False


def test_the_answer_of_the_coordinator_reaches_the_client_unchanged() -> None:
    node = at_home("k", position=4)
    ((to, message),) = sent(node.request("PUT", "/kv/k", b"v"))
    assert isinstance(message, Forward)
    answer = Forwarded(message.request, 200, "token", b'{"id":"x"}')
    (reply,) = responses(node.message(to, answer))
    assert (reply.status, reply.body) == (200, b'{"id":"x"}')
    assert reply.headers["x-lineal-context"] == "token"
    assert not responses(node.message(to, answer)), "answered twice"


def test_a_forward_that_the_network_doubled_makes_one_dot() -> None:
    node = at_home("k")
    forward = Forward(7, "abc", b"k", NOTHING, b"v")
    assert writes(node.message("n9", forward))
    assert node.message("n9", forward) == []
    assert writes(node.message("n9", Forward(8, "abd", b"k", NOTHING, b"v")))


def test_a_forward_older_than_all_that_are_remembered_is_not_taken() -> None:
    from systems_under_test.dynamo.forwarding import REMEMBERED_MAX, Taken

    taken = Taken()
    assert taken.take(5)
    assert all(taken.take(i) for i in range(10, 10 + REMEMBERED_MAX))
    assert not taken.take(5)
    assert not taken.take(4)
    assert taken.take(10 + REMEMBERED_MAX)


def test_a_read_is_answered_at_r_and_older_versions_are_dropped() -> None:
    node = at_home("k", position=3)
    old = writes(at_home("k").request("PUT", "/kv/k", b"old"))[-1].value
    context = read_context(old)
    newer = at_home("k", position=1)
    newer.request("GET", "/kv/k")
    blob = writes(newer.request("PUT", "/kv/k", b"new", x_lineal_context=context))[-1].value
    asked = sent(node.request("GET", "/kv/k"))
    home, _ = home_of(node, b"k")
    assert [to for to, _ in asked] == home
    request = asked[0][1]
    assert isinstance(request, Fetch)
    assert not responses(node.message(home[0], Fetched(request.request, old)))
    (reply,) = responses(node.message(home[1], Fetched(request.request, blob)))
    assert [v["value"] for v in msgspec.json.decode(reply.body)["versions"]] == ["new"]


def test_a_read_that_writes_back_is_answered_when_w_copies_of_it_are_durable() -> None:
    node = at_home("k", {"write_back": "on"})
    (first, store), (second, _) = sent(node.request("PUT", "/kv/k", b"v"))
    assert isinstance(store, Store)
    # Only the coordinator holds it; the two others are asked, and one says that it lacks it.
    (_, fetch), _ = sent(node.request("GET", "/kv/k"))
    assert isinstance(fetch, Fetch)
    effects = node.message(first, Fetched(fetch.request, None))
    assert not responses(effects)
    assert [
        (to, message.request) for to, message in sent(effects) if isinstance(message, Store)
    ] == [
        (first, fetch.request),
        (second, fetch.request),
    ]
    (reply,) = responses(node.message(second, Stored(fetch.request)))
    assert b'"value":"v"' in reply.body


def test_a_read_that_finds_w_copies_alike_writes_nothing_back() -> None:
    node = at_home("k", {"write_back": "on"})
    ((first, store), _) = sent(node.request("PUT", "/kv/k", b"v"))
    assert isinstance(store, Store)
    (_, fetch), _ = sent(node.request("GET", "/kv/k"))
    assert isinstance(fetch, Fetch)
    effects = node.message(first, Fetched(fetch.request, store.blob))
    assert len(responses(effects)) == 1


def test_a_read_that_cannot_write_back_fails() -> None:
    node = at_home("k", {"write_back": "on", "quorum": "strict"})
    (first, _), _ = sent(node.request("PUT", "/kv/k", b"v"))
    (_, fetch), _ = sent(node.request("GET", "/kv/k"))
    assert isinstance(fetch, Fetch)
    node.message(first, Fetched(fetch.request, None))
    node.fire(READ_PATIENCE, after_ms=250)
    (reply,) = responses(node.fire(READ_DEADLINE, after_ms=750))
    assert reply.status == 503
    assert b"not durable often enough" in reply.body


def test_a_read_asks_a_stand_in_for_a_node_that_does_not_answer() -> None:
    node = at_home("k", position=4)
    home, stand_ins = home_of(node, b"k")
    first = sent(node.request("GET", "/kv/k"))[0][1]
    assert isinstance(first, Fetch)
    node.message(home[0], Fetched(first.request, None))
    effects = node.fire(READ_PATIENCE, after_ms=250)
    assert sent(effects) == [(stand_ins[0], Fetch(first.request, b"k"))]
    # It is the other stand-in itself, and what it holds counts.
    (reply,) = responses(effects)
    assert reply.status == 200


def test_a_strict_read_asks_nobody_else_and_says_that_r_was_not_reached() -> None:
    node = at_home("k", {"quorum": "strict"}, position=4)
    home, _ = home_of(node, b"k")
    first = sent(node.request("GET", "/kv/k"))[0][1]
    assert isinstance(first, Fetch)
    node.message(home[0], Fetched(first.request, None))
    assert not sent(node.fire(READ_PATIENCE, after_ms=250))
    (reply,) = responses(node.fire(READ_DEADLINE, after_ms=750))
    assert reply.status == 503
    assert b"1 of 2" in reply.body


def test_a_node_that_answered_others_meanwhile_is_not_left_out() -> None:
    node = at_home("k")
    home, _ = home_of(node, b"k")
    node.request("PUT", "/kv/k", b"v")
    node.mono += 1
    node.message(home[1], Pong())
    node.fire(WRITE_PATIENCE, after_ms=250)
    assert sent(node.fire(PROBE)) == [(home[2], Ping())]


def test_deadlines_share_one_timer_that_always_stands_for_the_oldest() -> None:
    deadlines = Deadlines("timer", 250)

    def at(mono: int) -> Step:
        return step_on(Tables(), mono)

    def set_in(step: Step) -> list[int]:
        return [effect.delay for effect in step.effects if isinstance(effect, SetTimer)]

    steps = [at(0), at(100), at(250), at(260), at(350), at(510)]
    deadlines.add(steps[0], 1)
    deadlines.add(steps[1], 2)
    assert deadlines.due(steps[2], {1, 2}) == [1]
    deadlines.add(steps[3], 3)
    assert deadlines.due(steps[4], {2, 3}) == [2]
    assert deadlines.due(steps[5], {3}) == [3]
    assert [set_in(step) for step in steps] == [[250], [], [100], [], [160], []]


def test_deadlines_skip_what_is_over() -> None:
    deadlines = Deadlines("timer", 250)
    first, fired = step_on(Tables()), step_on(Tables(), 250)
    for request in (1, 2, 3):
        deadlines.add(first, request)
    assert deadlines.due(fired, {2}) == [2]
    assert not fired.effects, "nothing is left to wait for"


def read_context(blob: bytes | None) -> str:
    from systems_under_test.dynamo.causal_context import to_token
    from systems_under_test.dynamo.ring import Ring, random_tokens
    from systems_under_test.dynamo.versions import context_of

    key = Ring(random_tokens({"n1": 1})).place(b"k")
    return to_token(key, context_of(decode(blob)))


def test_writes_stay_available_with_all_but_one_of_the_preferred_nodes_cut_off() -> None:
    drive = Drive()
    home, stand_ins = drive.home("k")
    drive.isolate(*home[1:])
    replies = [drive.begin(node, put("k", node)) for node in (home[0], *stand_ins)]
    drive.wait(1500)
    assert all(isinstance(r[0], Reply) and r[0].status == 200 for r in replies), replies
    assert drive.counter("sloppy_writes", [home[0], *stand_ins]) >= 1
    drive.settle()
    assert drive.values("n1", "k", "?r=all") == sorted([home[0], *stand_ins])


def test_a_strict_quorum_refuses_where_w_home_nodes_are_cut_off() -> None:
    drive = Drive({"quorum": "strict"})
    home, _ = drive.home("k")
    drive.isolate(home[0])
    first = drive.begin(home[0], put("k", "1"))
    drive.wait(1500)
    assert isinstance(first[0], Reply)
    assert first[0].status == 503
    assert msgspec.json.decode(first[0].body)["definite"] is False
    second = drive.ask(home[0], put("k", "2"))
    assert msgspec.json.decode(second.body)["definite"] is True
    assert drive.ask(home[1], put("k", "3")).status == 200
    drive.settle()
    assert drive.values("n1", "k", "?r=all") == ["1", "3"]


def test_a_strict_read_sees_every_write_acknowledged_before_it_under_partitions() -> None:
    drive = Drive({"quorum": "strict"}, seed=3)
    for i in range(30):
        key = f"k{i % 4}"
        drive.isolate(f"n{i % 5 + 1}")
        replies = [drive.begin(node, put(key, f"{i}{node}")) for node in drive.cluster.nodes]
        drive.wait(1300)
        acknowledged = {
            f"{i}{node}"
            for node, reply in zip(drive.cluster.nodes, replies, strict=True)
            if isinstance(reply[0], Reply) and reply[0].status == 200
        }
        reads = [drive.begin(n, Request("GET", f"/kv/{key}")) for n in drive.cluster.nodes]
        drive.wait(1300)
        for reply in (read[0] for read in reads):
            if isinstance(reply, Reply) and reply.status == 200:
                seen = {v["value"] for v in msgspec.json.decode(reply.body)["versions"]}
                assert acknowledged <= seen


def test_every_request_is_answered_within_its_time_out_whatever_is_cut() -> None:
    drive = Drive()
    names = list(drive.cluster.nodes)
    drive.cluster.set_cut((a, b) for a in names for b in names if a != b)
    replies = [drive.begin(n, put("k", n), 1600) for n in names]
    replies += [drive.begin(n, Request("GET", "/kv/k"), 1600) for n in names]
    drive.wait(1500)
    assert all(isinstance(reply[0], Reply) for reply in replies)
    assert all(drive.page(n, "status")["open_requests"] == 0 for n in names)


def test_a_response_goes_out_only_after_the_write_that_it_reports() -> None:
    node = at_home("k", {"w": 1})
    kinds = [type(e) for e in node.request("PUT", "/kv/k", b"v")]
    assert kinds.index(Respond) > max(i for i, kind in enumerate(kinds) if kind is Write)

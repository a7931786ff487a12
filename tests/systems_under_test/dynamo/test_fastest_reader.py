"""The node that answered a read first coordinates the write that follows."""

from __future__ import annotations

from systems_under_test.dynamo.messages import Fetch, Fetched, Forward
from tests.systems_under_test.dynamo.alone import Alone, responses, sent
from tests.systems_under_test.dynamo.driving import CONTEXT, Drive, put
from tests.systems_under_test.dynamo.test_repairs import blob

ON = {"fastest_reader": "on"}


def reader_that_is_no_home(options: dict[str, str]) -> tuple[Alone, list[str]]:
    """A node that keeps no copy of `k`, and those that do."""
    for name in ("n1", "n2", "n3", "n4", "n5"):
        node = Alone(name, options)
        asked = [to for to, it in sent(node.request("GET", "/kv/k")) if isinstance(it, Fetch)]
        if len(asked) == 3:
            return Alone(name, options), asked
    raise AssertionError("every node is a home of k")


def context_after_answers_of(node: Alone, answers: list[str]) -> str:
    effects = node.request("GET", "/kv/k")
    (request,) = {it.request for _, it in sent(effects) if isinstance(it, Fetch)}
    for peer in answers:
        effects = node.message(peer, Fetched(request, blob(5)))
    (response,) = responses(effects)
    return response.headers[CONTEXT]


def test_the_write_goes_to_the_node_that_answered_first() -> None:
    node, homes = reader_that_is_no_home(ON)
    for first in homes:
        others = [home for home in homes if home != first]
        context = context_after_answers_of(node, [first, others[0]])
        effects = node.request("PUT", "/kv/k", b"v", x_lineal_context=context)
        assert [to for to, it in sent(effects) if isinstance(it, Forward)] == [first]


def test_without_the_option_it_goes_to_the_first_of_the_preference_list() -> None:
    node, homes = reader_that_is_no_home({})
    context = context_after_answers_of(node, homes[1:])
    effects = node.request("PUT", "/kv/k", b"v", x_lineal_context=context)
    assert [to for to, it in sent(effects) if isinstance(it, Forward)] == [homes[0]]


def test_a_fastest_reader_that_is_down_is_passed_over() -> None:
    drive = Drive(ON)
    drive.put("n1", "k", "1")
    home, stand_ins = drive.home("k")
    contexts = [drive.get(stand_ins[0], "k")["context"] for _ in range(4)]
    for node in home[:2]:
        drive.cluster.nodes[node].kill()
    drive.wait(50)
    assert all(drive.ask(stand_ins[0], put("k", "2", c)).status in (200, 503) for c in contexts)
    drive.wait(3000)
    assert drive.ask(stand_ins[0], put("k", "3", contexts[0])).status == 200


def test_the_context_still_covers_what_was_read_and_nothing_else() -> None:
    drive = Drive(ON)
    drive.put("n1", "k", "1")
    drive.wait(100)
    context = drive.get("n2", "k")["context"]
    drive.put("n3", "k", "2")
    drive.put("n4", "k", "3", context)
    drive.wait(100)
    assert drive.values("n5", "k") == ["2", "3"]

"""What grows has a bound: values, results, messages, what is open; beyond it a clear refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from lineal.dumping import DumpingCodec
from systems_under_test.environments.simulated.network import Network
from systems_under_test.host.frames import PAYLOAD_BYTES_MAX
from systems_under_test.paxos import reads
from systems_under_test.paxos import status as pages
from systems_under_test.paxos.api import REQUEST_HEADER
from systems_under_test.paxos.codec import KvCodec
from systems_under_test.paxos.configuration import AT_MOST, configure, problems_of
from systems_under_test.paxos.system import SYSTEM
from tests.systems_under_test.paxos.driving import FIVE, MILLISECOND, THREE, Drive, put
from workloads.client import Reply, Request
from workloads.invocations import Invocation

if TYPE_CHECKING:
    from systems_under_test.environments.simulated.life import Life
    from systems_under_test.environments.simulated.network import Channel
    from systems_under_test.paxos.reads import StrongReads

SMALL = {
    "value_bytes_max": 1_000,
    "transaction_bytes_max": 2_000,
    "results_bytes_max": 4_000,
    "batch_bytes": 500,
    "checkpoint_slots": 10,
}


def content_of(reply: Any) -> tuple[int, bool, str]:
    """Status, definite and sentence of a refusal."""
    import msgspec

    assert isinstance(reply, Reply)
    body = msgspec.json.decode(reply.body)
    return reply.status, body.get("definite"), body.get("error", "")


@pytest.fixture(scope="module")
def small() -> Drive:
    return Drive(SMALL)


@pytest.mark.parametrize(("verb", "piece"), [("append", "x" * 390), ("concat", "x" * 390)])
def test_a_value_that_grows_too_long_is_refused_for_good(
    small: Drive, verb: str, piece: str
) -> None:
    for _ in range(2):
        assert small.txn("n1", [[verb, verb, piece]])[0] == 200
    before = small.get("n1", verb)["value"]
    status, content = small.txn("n2", [["w", "other", 1], [verb, verb, piece]])
    assert (status, content["definite"]) == (413, True)
    assert "at most 1000 fit" in content["error"]
    assert small.get("n3", verb)["value"] == before
    assert small.get("n3", "other")["value"] is None
    small.wait(300)
    assert small.dump("n1")["keys"] == small.dump("n2")["keys"] == small.dump("n3")["keys"]


def test_a_transaction_that_reads_too_much_is_refused_for_good(small: Drive) -> None:
    for n in range(3):
        small.put("n1", f"long{n}", "x" * 900)
    read = [["r", f"long{n}", None] for n in range(3)]
    assert small.txn("n2", read[:2])[1]["txn"] == [["r", f"long{n}", "x" * 900] for n in range(2)]
    status, content = small.txn("n2", [*read, ["w", "other", 2]])
    assert (status, content["definite"]) == (413, True)
    assert "more than 2000 bytes" in content["error"]
    assert small.get("n3", "other")["value"] is None


def test_a_body_that_is_longer_as_it_is_kept_is_refused(small: Drive) -> None:
    body = b"[" + b",".join([b"1e15"] * 190) + b"]"
    assert len(body) < 1_000
    status, content = small.answer("n1", Request("PUT", "/kv/k", {}, body))
    assert (status, content["definite"]) == (413, True)


def test_a_repetition_whose_result_is_kept_no_longer_is_told_so_and_not_carried_out(
    small: Drive,
) -> None:
    small.put("n1", "big", "y" * 900)
    steps = b'[["r","big",null],["append","count",1]]'
    asked = [Request("POST", "/txn", {REQUEST_HEADER: f"s{n}/1"}, steps) for n in range(6)]
    answers = [small.answer("n1", one) for one in asked]
    assert {status for status, _ in answers} == {200}
    assert small.answer("n2", asked[5]) == answers[5]
    status, content = small.answer("n3", asked[0])
    assert (status, content["definite"]) == (410, False)
    assert "was carried out" in content["error"]
    assert small.get("n1", "count")["value"] == [1] * 6


def test_no_message_is_longer_than_what_is_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Growing lists, long results, a follower that needs a snapshot, and the leader's death."""
    longest: dict[str, int] = {}
    send = Network.send

    def measured(
        self: Network, channel: Channel, sender: Life, payload: bytes, departure: int
    ) -> None:
        kind = payload[6:24].split(b"\xad")[0][:12].decode("latin-1")
        longest[kind] = max(longest.get(kind, 0), len(payload))
        send(self, channel, sender, payload, departure)

    monkeypatch.setattr(Network, "send", measured)
    drive = Drive(SMALL)
    leader = drive.await_leader()
    other = next(node for node in THREE if node != leader)
    drive.isolate(other)
    for n in range(60):
        drive.txn(leader, [["append", f"k{n % 7}", "z" * 100], ["r", f"k{n % 5}", None]])
    drive.wait(500)
    drive.cut([])
    drive.wait(1_500)
    assert drive.counted("snapshots_installed") == 1
    drive.cluster.nodes[leader].kill()
    drive.await_leader()
    slack = 1 << 20  # What the bound adds for heads and sentences; here they are short.
    bound = configure(SMALL).message_bytes_max - slack + 1_000
    assert max(longest.values()) <= bound, longest


def test_what_is_proved_fits_into_a_frame_whatever_the_options() -> None:
    most = configure(AT_MOST)
    assert most.message_bytes_max <= PAYLOAD_BYTES_MAX * 3 // 4
    assert problems_of(AT_MOST, THREE) == []
    for name, value in AT_MOST.items():
        problem, *_ = problems_of({name: value + 1}, THREE)
        assert f"{name} must be at most {value}" in problem


def test_what_waits_for_a_quorum_is_bounded_and_more_is_refused_at_once() -> None:
    drive = Drive({"unchosen_max": 3, "step_down": "off"}, nodes=FIVE)
    leader = drive.await_leader()
    with_it, *others = (node for node in FIVE if node != leader)
    drive.cut([(node, leader) for node in others])
    waiting = [drive.begin(leader, put(f"k{n}", n)) for n in range(3)]
    drive.wait(20)
    began = drive.cluster.now
    assert content_of(drive.ask(leader, put("k", 1)))[:2] == (503, True)
    # Passed on it is not definite: the network may hold a second copy of the message.
    assert content_of(drive.ask(with_it, put("k", 2)))[:2] == (503, False)
    assert drive.cluster.now - began < 100 * MILLISECOND
    drive.cut([])
    drive.wait(1_000)
    assert [reply.status for (reply,) in waiting if isinstance(reply, Reply)] == [200] * 3
    assert drive.get(leader, "k")["value"] is None
    drive.put(with_it, "k", 3)


def test_open_requests_of_a_node_are_bounded() -> None:
    drive = Drive({"requests_max": 2, "step_down": "off"})
    leader = drive.await_leader()
    drive.isolate(leader)
    for n in range(2):
        drive.begin(leader, put(f"k{n}", n))
    drive.wait(50)
    status, definite, sentence = content_of(drive.ask(leader, put("k", 1)))
    assert (status, definite) == (503, True)
    assert "2 requests are open here" in sentence


def test_sessions_are_bounded_and_a_refusal_is_not_definite() -> None:
    """A second copy of the command may come later in the log, when there is room again."""
    drive = Drive({"sessions_max": 2})
    for n in range(2):
        assert drive.answer("n1", put("k", n, f"s{n}/1"))[0] == 200
    status, content = drive.answer("n2", put("k", 9, "s9/1"))
    assert (status, content["definite"]) == (503, False)
    assert "too many sessions" in content["error"]
    assert drive.answer("n1", put("k", 2, "s0/2"))[0] == 200
    assert drive.get("n1", "k")["value"] == 2


def test_a_request_that_was_lost_on_its_way_to_the_leader_is_sent_once_more() -> None:
    drive = Drive()
    leader = drive.await_leader()
    other = next(node for node in THREE if node != leader)
    drive.cut([(other, leader)])
    replies = drive.begin(other, put("k", 1))
    drive.wait(100)
    drive.cut([])
    drive.wait(1_200)
    assert [reply.status for reply in replies if isinstance(reply, Reply)] == [200]
    assert drive.status(other)["counters"]["forwards_repeated"] == 1


def test_a_dump_comes_in_pages_and_one_page_is_not_taken_for_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pages, "DUMP_BYTES", 100)
    drive = Drive()
    written: dict[str, Any] = {f"k{n:02} {'&+ä'[n % 3]}": "v" * n for n in range(30)}
    for key, value in written.items():
        drive.put("n1", quote(key), value)
    whole = drive.dump("n1")
    found: dict[str, Any] = {}
    sizes = []
    while True:
        found |= whole["keys"]
        sizes.append(len(whole["keys"]))
        if whole["next"] is None:
            break
        after = f"/dump?after={quote(whole['next'])}"
        whole = drive.answer("n1", Request("GET", after))[1]
    assert found == written
    assert max(sizes) < 30 > sum(sizes) / len(sizes) > 1

    asked = Invocation("dump", None, None)
    codec = DumpingCodec(SYSTEM, KvCodec())
    request = codec.encode(asked, "s/1")
    completion = codec.decode(asked, drive.ask("n1", request))
    last = list(found)[sizes[0] - 1]
    assert (completion.type, completion.error) == ("fail", f"the dump goes on after {last}")
    monkeypatch.undo()
    completion = codec.decode(asked, drive.ask("n1", request))
    assert (completion.type, completion.output) == ("ok", written)


def reads_at(drive: Drive, node: str) -> StrongReads:
    life: Any = drive.cluster.nodes[node].life
    reads: StrongReads = life._replica.node.leadership.reads
    return reads


def test_a_read_that_waits_is_not_looked_at_for_each_that_comes_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = 0

    class Looked(reads.Waiting):
        def __getattribute__(self, name: str) -> Any:
            nonlocal looks
            looks += name == "arrived"
            return super().__getattribute__(name)

    monkeypatch.setattr(reads, "Waiting", Looked)
    drive = Drive({"engine": "memory"})
    leader = drive.await_leader()
    drive.isolate(leader)
    drive.wait(700)  # The lease is over, and it has not stepped down yet.
    count = 500
    for _ in range(count):
        drive.begin(leader, Request("GET", "/kv/a"), 3_000)
    drive.wait(20)
    assert len(reads_at(drive, leader).waiting) == count
    assert looks <= 10 * count


def test_no_more_reads_wait_at_a_leader_than_it_takes_requests() -> None:
    options = {"reads": "quorum", "requests_max": 20, "step_down": "off"}
    drive = Drive(options)
    leader = drive.await_leader()
    others = [node for node in THREE if node != leader]
    drive.cut([(leader, node) for node in others])  # It hears them, and they do not hear it.
    asked = [drive.begin(node, Request("GET", "/kv/a"), 3_000) for node in THREE for _ in range(15)]
    drive.wait(100)
    assert len(reads_at(drive, leader).waiting) == 20
    drive.cut([])
    drive.wait(6_000)
    answered = [reply.status for replies in asked for reply in replies if isinstance(reply, Reply)]
    assert len(answered) == len(asked)
    assert set(answered) <= {200, 503, 504}
    assert not reads_at(drive, drive.await_leader()).waiting

from __future__ import annotations

import io
import json
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

from lineal.definition import Test, standard
from lineal.repeating import command_of
from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.ssh import payload
from systems_under_test.environments.ssh.machines import Machine, cannot_cut
from systems_under_test.environments.ssh.payload import (
    ATTENDANT,
    RemotePython,
    asking_python,
    node_closure,
    pack,
    python_of,
    unpacking,
)
from systems_under_test.environments.ssh.places import (
    Place,
    SshOptions,
    names_of,
    options_of,
    places_of,
    sharing,
)
from systems_under_test.paxos.system import SYSTEM


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("db1", Place("n1", "db1")),
        ("root@10.0.0.1", Place("n1", "10.0.0.1", "root")),
        ("root@10.0.0.1:2222", Place("n1", "10.0.0.1", "root", 2222)),
        ("a=host.example:22", Place("a", "host.example", None, 22)),
        ("a=me@[fd00::1]:22", Place("a", "fd00::1", "me", 22)),
        ("fd00::1", Place("n1", "fd00::1")),
    ],
)
def test_a_place_is_read_as_people_write_it(text: str, place: Place) -> None:
    assert places_of([text]) == (place,)


@pytest.mark.parametrize("text", ["", "@host", "a@", "h:x", "h:0", "h:70000", "-x=h", "-oProxy"])
def test_what_is_no_place_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="--nodes"):
        places_of([text])


def test_nodes_get_numbers_where_they_have_no_names() -> None:
    assert names_of(["h", "b=h", "x@h"]) == ("n1", "b", "n3")


def test_hosts_that_are_given_twice_are_found() -> None:
    assert sharing(places_of(["a@h:1", "b@h:2", "i"])) == ["h"]


def test_options_are_read_and_all_problems_told_at_once() -> None:
    found = options_of({"known-hosts": "/k", "client-port": 7001, "python": "python3.12"})
    assert found == SshOptions(known_hosts=Path("/k"), client_port=7001, python="python3.12")
    with pytest.raises(ValueError, match=r"no option 'colour'.*\n.*from 0 to 65535\n.*absolute"):
        options_of({"colour": 1, "peer-port": 99999, "directory": "tmp"})


def test_a_test_names_its_machines_and_can_be_repeated() -> None:
    nodes = ["root@10.0.0.1:22", "root@10.0.0.2:22"]
    options = {"known-hosts": "/k"}
    test = standard(system="dynamo", environment="ssh", nodes=nodes, environment_options=options)
    assert test.nodes == ("n1", "n2")
    assert test.addresses == tuple(nodes)
    command = command_of(test)
    assert command is not None
    assert "--nodes root@10.0.0.1:22,root@10.0.0.2:22" in command
    assert "--environment-option known-hosts=/k" in command
    assert standard(**test.parameters).addresses == test.addresses


def test_problems_of_machines_are_told_before_anything_starts() -> None:
    def problems(**parameters: object) -> str:
        return "\n".join(standard(system="dynamo", **parameters).problems())

    assert "--nodes user@host:port" in problems(environment="ssh")
    assert "no option 'x'" in problems(
        environment="ssh", nodes=["h", "i", "j"], environment_options={"x": 1}
    )
    assert "only the environment ssh takes machines" in problems(nodes=["a@h", "b@i", "c@j"])
    shared = problems(environment="ssh", nodes=["h:1", "h:2", "i"], faults="partition")
    assert "share the address h: iptables could not tell them apart" in shared
    assert "share" not in problems(environment="ssh", nodes=["h:1", "h:2", "i"], faults="kill")
    assert "link" in problems(environment="ssh", nodes=["h", "i", "j"], faults="link:slow")


def machine(name: str, address: str, *, stack: str = "", harness: str = "10.0.0.9") -> Machine:
    return Machine(
        place=Place(name, address),
        session=None,  # type: ignore[arg-type]  # Nothing is asked of it.
        python=RemotePython("/usr/bin/python3", (3, 11), "x86_64", "2.36", {}),
        directory="/tmp/x",
        address=address,
        reached_at=address,
        harness=harness,
        stack=stack or name,
        round_trip_s=0.001,
        clock_offset_ns=0,
    )


def test_links_between_machines_of_their_own_can_be_cut() -> None:
    assert cannot_cut([machine("n1", "10.0.0.1"), machine("n2", "10.0.0.2")]) == []


def test_why_links_cannot_be_cut_is_said() -> None:
    (same,) = cannot_cut([machine("n1", "10.0.0.1"), machine("n2", "10.0.0.1")])
    assert same.startswith("n2 and n1 are on one machine")
    (aliased,) = cannot_cut(
        [machine("n1", "1.1.1.1", stack="s"), machine("n2", "2.2.2.2", stack="s")]
    )
    assert "(2.2.2.2, 1.1.1.1): iptables by address could not tell them apart" in aliased
    (ours,) = cannot_cut([machine("n1", "10.0.0.1"), machine("n2", "10.0.0.9")])
    assert "n2 shares the address 10.0.0.9 with the machine of this harness" in ours
    (six,) = cannot_cut([machine("n1", "fd00::1"), machine("n2", "10.0.0.2")])
    assert "IPv6" in six


def test_a_node_is_sent_what_it_imports_and_no_more() -> None:
    closure = node_closure("systems_under_test.dynamo.replica:make_replica")
    assert "systems_under_test/environments/ssh/attendant.py" in closure.files
    assert "systems_under_test/host/node.py" in closure.files
    assert not [place for place in closure.files if place.startswith(("checker", "lineal"))]
    assert closure.packages == {"msgspec"}
    assert closure.optional == {"lmdb"}


def test_commands_are_quoted_for_any_shell() -> None:
    asked = asking_python("/opt/my python", ("msgspec",))
    assert asked.startswith("sh -c '")
    python = RemotePython("/usr/bin/python3", (3, 11), "x86_64", "2.36", {})
    command = unpacking(python, 7, "lineal-x-", "/a dir", "LINEAL-x")
    assert "'/a dir'" in command
    assert command.endswith(f"-m {ATTENDANT} --chain LINEAL-x")


def test_a_machine_without_a_fit_python_is_told_so() -> None:
    with pytest.raises(ValueError, match=r"no Python of 3\.11"):
        python_of("")
    said = json.dumps(["/p", 3, 12, "arm64", "", {"msgspec": None}, "darwin"])
    with pytest.raises(ValueError, match="darwin"):
        python_of(said)


def test_packages_are_sent_only_where_they_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    closure = node_closure("systems_under_test.atomic.replica:make_replica")

    def names(has: str | None, lmdb: str | None = version("lmdb")) -> set[str]:
        there = {"msgspec": has, "lmdb": lmdb}
        python = RemotePython("/usr/bin/python3", (3, 11), "x86_64", "2.36", there)
        with tarfile.open(fileobj=io.BytesIO(pack(closure, python))) as archive:
            return {name.partition("/")[0] for name in archive.getnames()}

    assert names(version("msgspec")) == {"systems_under_test"}

    def no_wheels(packages: object, python: object) -> list[Path]:
        raise EnvironmentFailed("no index answers")

    monkeypatch.setattr(payload, "wheels_for", no_wheels)
    assert names("0.19.0") == {"systems_under_test"}
    assert names(version("msgspec"), lmdb=None) == {"systems_under_test"}
    with pytest.raises(EnvironmentFailed, match=r"msgspec is missing there.*-m pip install"):
        names(None)


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ("link:lossy,link:hold", None),
        ("link:slow", "(delay_ns, jitter_ns)"),
        ("zone:slow", "(delay_ns, jitter_ns)"),
        ("link:rate", "(rate_bytes_s)"),
        ("all", None),
    ],
)
def test_links_that_packet_filters_cannot_spoil_are_refused(faults: str, said: str | None) -> None:
    machines = ("root@10.0.0.1", "root@10.0.0.2", "root@10.0.0.3")
    nodes = ("n1", "n2", "n3")
    test = Test(system=SYSTEM, environment="ssh", nodes=nodes, addresses=machines, faults=faults)
    problems = test.problems()
    assert problems == [] if said is None else said in problems[0], problems

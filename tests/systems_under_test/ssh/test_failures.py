"""What cannot be is said in words that name the machine and what to do; nothing is left."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.ssh.cluster import SshCluster
from systems_under_test.environments.ssh.places import options_of, places_of
from tests.systems_under_test.local.clusters import ask, tally, until
from tests.systems_under_test.ssh.machines import Machines, cluster_on, python, run
from tests.systems_under_test.ssh.test_ends import assert_nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.live, pytest.mark.ssh]

GUEST = "guest"


@pytest.fixture(autouse=True)
def nothing_is_left(made: Machines) -> Iterator[None]:
    threads = threading.active_count()
    yield
    assert_nothing_left(made, within_s=3.0)
    until(lambda: threading.active_count() <= threads)  # Paramiko's own end a moment later.


def failure(cluster: SshCluster) -> str:
    with pytest.raises(EnvironmentFailed) as raised:
        cluster.up()
    return str(raised.value)


def test_a_key_that_opens_nothing(made: Machines, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger))
    said = failure(cluster_on(made, tmp_path, 2, identity=str(stranger)))
    one, two = said.splitlines()
    assert one.startswith(f"n1 (root@{made.addresses[0]}:22): it does not let root in")
    assert two.startswith(f"n2 (root@{made.addresses[1]}:22): it does not let root in")
    assert f"ssh-copy-id -p 22 root@{made.addresses[0]}" in one
    assert str(stranger) in one


def test_a_key_that_is_not_there_or_locked(made: Machines, tmp_path: Path) -> None:
    said = failure(cluster_on(made, tmp_path, 1, identity=str(tmp_path / "none")))
    assert f"there is no private key {tmp_path}/none" in said
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(tmp_path / "locked"))
    said = failure(cluster_on(made, tmp_path, 1, identity=str(tmp_path / "locked")))
    assert "ssh-add" in said


def test_a_host_key_that_nobody_knows(made: Machines, tmp_path: Path) -> None:
    empty = tmp_path / "known_hosts"
    empty.touch()
    said = failure(cluster_on(made, tmp_path, 1, known_hosts=str(empty)))
    fingerprint = run("ssh-keygen", "-lf", str(made.folder / "host_key.pub")).split()[1]
    assert "its host key is not known: ssh-ed25519" in said
    assert fingerprint in said
    assert f"ssh-keyscan -p 22 {made.addresses[0]} >> {empty}" in said


def test_a_host_key_that_is_another_one(made: Machines, tmp_path: Path) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other"))
    key = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    known = tmp_path / "known_hosts"
    known.write_text(f"{made.addresses[0]} {key}\n")
    said = failure(cluster_on(made, tmp_path, 1, known_hosts=str(known)))
    assert f"its host key is another one than {known} has" in said
    assert f"ssh-keygen -R '{made.addresses[0]}'" in said
    said = failure(cluster_on(made, tmp_path, 1, known_hosts=str(tmp_path / "none")))
    assert "there is no file of known hosts" in said


def cluster_at(made: Machines, folder: Path, *texts: str, **options: Any) -> SshCluster:
    places = places_of(texts)
    spec = tally(folder, nodes=tuple(place.name for place in places))
    needs = options.pop("needs", frozenset({"partition"}))
    return SshCluster(spec, places, options_of(made.options(**options)), needs=needs)


def test_a_machine_that_refuses_or_does_not_exist(made: Machines, tmp_path: Path) -> None:
    said = failure(cluster_at(made, tmp_path, f"root@{made.addresses[0]}:23"))
    assert "the connection was refused: does sshd listen on port 23 there?" in said
    said = failure(cluster_at(made, tmp_path, "root@no-such-machine.invalid"))
    assert "its name cannot be resolved" in said


def test_one_machine_that_fails_takes_the_others_down(made: Machines, tmp_path: Path) -> None:
    said = failure(cluster_at(made, tmp_path, made.texts(1)[0], f"root@{made.addresses[1]}:23"))
    assert said.startswith("n2 ")


def test_a_python_that_is_not_there(made: Machines, tmp_path: Path) -> None:
    said = failure(cluster_on(made, tmp_path, 1, python="/opt/python3.99"))
    assert "no Python of 3.11 or newer" in said
    assert "--environment-option python=PATH" in said


def test_a_directory_that_is_not_there(made: Machines, tmp_path: Path) -> None:
    said = failure(cluster_at(made, tmp_path, made.texts(1)[0], directory="/no/such/place"))
    assert "no directory can be made in /no/such/place" in said


def test_a_port_that_is_taken(made: Machines, tmp_path: Path) -> None:
    said = failure(cluster_on(made, tmp_path, 1, client_port=22))
    assert f"port 22 of {made.addresses[0]} cannot be had: Address already in use" in said


def test_no_partition_without_root(made: Machines, tmp_path: Path) -> None:
    said = failure(cluster_on(made, tmp_path, 2, user=GUEST))
    assert "n1 (guest@" in said
    assert "packet filters need root" in said
    assert "let guest run iptables, iptables-restore and ss by sudo without a password" in said


@pytest.mark.skipif(shutil.which("sudo") is None, reason="there is no sudo")
def test_sudo_for_packet_filters_is_enough(made: Machines, tmp_path: Path) -> None:
    with cluster_on(made, tmp_path, 2, user="trusted") as cluster:
        cluster.set_cut([("n1", "n2")])
        until(lambda: cluster.probe([("n1", "n2")])["n1", "n2"] is False)
        assert cluster.probe([("n2", "n1")])["n2", "n1"]
        assert cluster.link_counters()["n1", "n2"]["dropped"] > 0
        time.sleep(3.0)
        cluster.set_cut([])
        until(lambda: cluster.probe([("n1", "n2")])["n1", "n2"], within_s=0.8)
        assert cluster.nodes["n1"].session.ask("reset", to=[["192.0.2.1", 9]])["reset"]
        assert made.chains(0)


def test_everything_else_works_without_root(made: Machines, tmp_path: Path) -> None:
    cluster = cluster_at(made, tmp_path, *made.texts(2, GUEST), needs=frozenset({"kill"}))
    with cluster:
        assert cluster.capabilities == {"kill", "stop", "pause", "clock", "disk", "power"}
        assert made.chains(0) == []
        cluster.nodes["n1"].kill()
        cluster.nodes["n1"].start()
        cluster.nodes["n1"].pause()
        assert cluster.nodes["n1"].state() == "paused"
        with pytest.raises(EnvironmentFailed, match="without partitions"):
            cluster.set_cut([("n1", "n2")])


def test_two_addresses_of_one_machine_cannot_be_cut_but_used(
    made: Machines, tmp_path: Path
) -> None:
    texts = (made.texts(1)[0], f"root@{made.second}:22")
    said = failure(cluster_at(made, tmp_path, *texts))
    assert f"n2 and n1 are on one machine ({made.second}, {made.addresses[0]})" in said
    with cluster_at(made, tmp_path, *texts, needs=frozenset()) as cluster:
        assert ask(cluster, "n1", "POST", "/add") == 1
        assert ask(cluster, "n2", "POST", "/add") == 1


def test_the_ports_that_were_asked_for_are_taken_in_turn(made: Machines, tmp_path: Path) -> None:
    text = made.texts(1)[0]
    options = {"client-port": 7100, "peer-port": 7200}
    with cluster_at(made, tmp_path, text, text, needs=frozenset(), **options) as cluster:
        assert cluster.client_address("n1") == (made.addresses[0], 7100)
        assert cluster.client_address("n2") == (made.addresses[0], 7101)
        assert cluster.nodes["n2"].listen_address == (made.addresses[0], 7201)


def test_a_machine_that_says_nothing_is_given_up(made: Machines, tmp_path: Path) -> None:
    with socket.create_server((made.harness, 0)) as silent:
        known = tmp_path / "known_hosts"
        known.write_text(made.known(made.harness))
        text = f"root@{made.harness}:{silent.getsockname()[1]}"
        cluster = cluster_at(made, tmp_path, text, known_hosts=str(known))
        threading.Timer(1.0, silent.close).start()
        assert "n1 (root@" in failure(cluster)


def test_the_users_own_configuration_is_used(made: Machines, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"Host db1\n  HostName {made.addresses[0]}\n  User root\n  IdentityFile {made.identity}\n"
        f"  UserKnownHostsFile {made.known_hosts}\nHost db2\n  ProxyJump db1\n"
    )
    options = {"config": str(config), "python": python()}
    places = places_of(["db1"])
    spec = tally(tmp_path, nodes=("n1",))
    with SshCluster(spec, places, options_of(options)) as cluster:
        assert ask(cluster, "n1", "POST", "/add") == 1
    spec, places = tally(tmp_path, nodes=("n1",)), places_of(["db2"])
    assert "proxyjump" in failure(SshCluster(spec, places, options_of(options)))
    gone = options_of({"config": str(tmp_path / "none")})
    assert "cannot be used" in failure(SshCluster(spec, places, gone))


def test_a_node_that_does_not_start_shows_its_log(made: Machines, tmp_path: Path) -> None:
    places = places_of(made.texts(1))
    spec = tally(tmp_path, nodes=("n1",), replica="systems_under_test.atomic.replica:no_such")
    said = failure(SshCluster(spec, places, options_of(made.options())))
    assert "ended with status 64 before it was ready" in said
    assert "no_such" in said
    assert str(tmp_path / "n1" / "node.log") in said
    assert os.path.getsize(tmp_path / "n1" / "node.log")

"""Redis with Sentinel: a foreign system, and the example of how one is brought along.

Each node runs a `redis-server` and a `redis-sentinel`. The first node begins as the primary, the
others replicate from it; a majority of the sentinels makes another node the primary where they do
not hear it. Clients ask a sentinel who the primary is, their own node's first.

Replication is asynchronous: a primary acknowledges a write before any replica has it. One that is
cut off goes on acknowledging to whoever still reaches it, and when the cut is healed it becomes a
replica and throws away what it alone had. Redis's documentation says so ("Example 2" of its page on
Sentinel); it is held here to what its users hope for, that acknowledged elements are not lost.

The client takes the package `redis`, an optional extra: `pip install lineal[redis]`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.foreign import Image
from workloads import set as set_workload
from workloads.client import Completion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems_under_test.foreign import ForeignCluster, ForeignNode
    from workloads.client import Client
    from workloads.invocations import Invocation

REDIS: Final = 6379
SENTINEL: Final = 26379
GROUP: Final = "main"
"""What the sentinels call the primary with its replicas."""
ASK_S: Final = 0.5
"""How long a program may take to answer a question of the harness, in seconds."""
STEPS: Final = 5
"""An operation asks up to three sentinels, connects, and awaits an answer: a share of its time-out
for each."""
OPTIONS: Final = {
    "min_replicas": "a primary with fewer replicas refuses writes; a number, default 0",
    "down_after_ms": "milliseconds without an answer until a sentinel holds a node for down; "
    "default 1000",
}


class Redis:
    """One primary with replicas, watched by a sentinel on every node.

    A `ForeignSystem`.
    """

    name: Final = "redis"
    nodes_default: Final = 3
    image: Final = Image(packages=("redis-server", "redis-sentinel"))
    ports: Final = (REDIS, SENTINEL)
    data_files: Final = ("appendonlydir/*.aof", "appendonlydir/*.rdb")
    claims: Final = frozenset(
        {"lost-element", "phantom-element", "duplicate", "did-not-recover", "node-died"}
    )
    option_docs: Final[Mapping[str, str]] = OPTIONS
    role_names: Final = frozenset({"leader"})
    workloads: Final = {"set": set_workload.make}

    def problems(self, options: Mapping[str, Any], nodes: tuple[str, ...]) -> list[str]:
        """Everything that is wrong with these options."""
        found = [
            f"{name}: must be a whole number from {least}, not {options[name]!r}"
            for name, least in (("min_replicas", 0), ("down_after_ms", 100))
            if name in options and not (type(options[name]) is int and options[name] >= least)
        ]
        try:
            import redis  # noqa: F401
        except ImportError:
            found.append("the client of redis is not installed: run `pip install lineal[redis]`")
        return found

    def start(self, node: ForeignNode, cluster: ForeignCluster) -> None:
        """Both programs. Their files are written once: the sentinels go on with what is in them."""
        if not node.exists("redis.conf"):
            node.write("redis.conf", _redis_conf(node, cluster))
            node.write("sentinel.conf", _sentinel_conf(node, cluster))
        node.daemon("redis", ["redis-server", node.path("redis.conf")])
        node.daemon("sentinel", ["redis-sentinel", node.path("sentinel.conf")])

    def ready(self, node: ForeignNode) -> bool:
        """Both answer."""
        return all(_ask(node, port, "PING") == b"PONG" for port in self.ports)

    def client(self, node: ForeignNode, cluster: ForeignCluster) -> Client:
        """One that follows the sentinels, the node's own first."""
        return SentinelClient(node, cluster)

    def unrest(self, cluster: ForeignCluster) -> list[str]:
        """The sentinels disagree, or a replica has not caught up."""
        primaries = {name: _named_primary(node) for name, node in cluster.nodes.items()}
        if len(set(primaries.values())) != 1:
            return [f"{name} holds {whom} for the primary" for name, whom in primaries.items()]
        primary = _node_at(next(iter(primaries.values())), cluster)
        about = _replication(primary)
        if about["role"] != "master":
            return [f"{primary.name} is no primary, though all sentinels say so"]
        replicas = [about[f"slave{i}"] for i in range(int(about["connected_slaves"]))]
        whole = [r for r in replicas if _caught_up(r, about["master_repl_offset"])]
        missing = len(cluster.nodes) - 1 - len(whole)
        return [f"{missing} replicas have not caught up with {primary.name}"] if missing else []

    def roles(self, cluster: ForeignCluster) -> Mapping[str, tuple[str, ...]]:
        """The leader is the primary that most sentinels name."""
        import redis

        named = []
        for node in cluster.nodes.values():
            try:
                named.append(_named_primary(node))
            except (redis.RedisError, EnvironmentFailed):  # One that is down names nobody.
                continue
        for address in named:
            if 2 * named.count(address) > len(cluster.nodes):
                return {"leader": (_node_at(address, cluster).name,)}
        return {}


class SentinelClient:
    """A client of one thread. It asks who the primary is before every operation.

    Nothing is tried twice: an operation whose answer did not come may have happened.
    """

    def __init__(self, node: ForeignNode, cluster: ForeignCluster) -> None:
        self._cluster = cluster
        others = [other for name, other in cluster.nodes.items() if name != node.name]
        self._sentinels = [node, *others]
        self._connections: dict[tuple[str, int], Any] = {}

    def invoke(self, invocation: Invocation, request_id: str, timeout_s: float) -> Completion:
        """`add` is SADD and `read` SMEMBERS, of the set that the key names."""
        import redis

        step_s = timeout_s / STEPS
        primary = self._primary(step_s)
        if primary is None:
            return Completion("fail", error="no sentinel names a primary")
        connection = self._connection(primary, REDIS, step_s)
        try:
            if invocation.f == "read":
                members = connection.smembers(invocation.key)
                return Completion("ok", output=sorted(int(member) for member in members))
            connection.sadd(invocation.key, invocation.input)
            return Completion("ok", extra={"primary": primary.name})
        except redis.ResponseError as refusal:  # It was asked, and said that it will not.
            return Completion("fail", error=str(refusal))
        except redis.RedisError as error:
            self._drop(primary, REDIS)
            return Completion("info", error=f"{primary.name}: {error}")

    def close(self) -> None:
        """Let go of all connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _primary(self, timeout_s: float) -> ForeignNode | None:
        import redis

        for sentinel in self._sentinels:
            connection = self._connection(sentinel, SENTINEL, timeout_s)
            try:
                found = connection.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", GROUP)
                return _node_at(_address(found), self._cluster)
            except (redis.RedisError, EnvironmentFailed):
                self._drop(sentinel, SENTINEL)
        return None

    def _connection(self, node: ForeignNode, port: int, timeout_s: float) -> Any:
        key = (node.name, port)
        if key not in self._connections:
            self._connections[key] = _connect(node, port, timeout_s)
        return self._connections[key]

    def _drop(self, node: ForeignNode, port: int) -> None:
        self._connections.pop((node.name, port)).close()


def _redis_conf(node: ForeignNode, cluster: ForeignCluster) -> str:
    first = next(iter(cluster.nodes.values()))
    lines = [
        f"port {REDIS}",
        "bind 0.0.0.0",
        "protected-mode no",
        f"dir {node.path('.')}",
        "appendonly yes",
        "repl-diskless-sync-delay 0",
        f"min-replicas-to-write {cluster.options.get('min_replicas', 0)}",
        "min-replicas-max-lag 2",
        f"replica-announce-ip {node.address}",
    ]
    if node.name != first.name:
        lines.append(f"replicaof {first.address} {REDIS}")
    return "\n".join([*lines, ""])


def _sentinel_conf(node: ForeignNode, cluster: ForeignCluster) -> str:
    first = next(iter(cluster.nodes.values()))
    quorum = len(cluster.nodes) // 2 + 1
    lines = [
        f"port {SENTINEL}",
        "protected-mode no",
        f"dir {node.path('.')}",
        f"sentinel announce-ip {node.address}",
        f"sentinel monitor {GROUP} {first.address} {REDIS} {quorum}",
        f"sentinel down-after-milliseconds {GROUP} {cluster.options.get('down_after_ms', 1000)}",
        f"sentinel failover-timeout {GROUP} 3000",
        f"sentinel parallel-syncs {GROUP} {len(cluster.nodes)}",
        f"sentinel myid {_sentinel_id(node)}",
    ]
    # They would find one another, in ten seconds or more. A replica that is not known by then is
    # not led over to a new primary, and goes on replicating from the old one.
    for other in cluster.nodes.values():
        if other.name != first.name:
            lines.append(f"sentinel known-replica {GROUP} {other.address} {REDIS}")
        if other.name != node.name:
            known = f"{other.address} {SENTINEL} {_sentinel_id(other)}"
            lines.append(f"sentinel known-sentinel {GROUP} {known}")
    return "\n".join([*lines, ""])


def _sentinel_id(node: ForeignNode) -> str:
    return hashlib.sha1(node.name.encode(), usedforsecurity=False).hexdigest()


def _connect(node: ForeignNode, port: int, timeout_s: float) -> Any:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    host, reached = node.reach(port)
    return redis.Redis(
        host=host,
        port=reached,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


def _ask(node: ForeignNode, port: int, *words: str) -> Any:
    """One question over a connection of its own. Raises what the library raises."""
    connection = _connect(node, port, ASK_S)
    try:
        # Callbacks by a command's name would turn the answer into something else.
        connection.response_callbacks.clear()
        return connection.execute_command(*words)
    finally:
        connection.close()


def _named_primary(node: ForeignNode) -> str:
    """The address of the primary by this node's sentinel."""
    return _address(_ask(node, SENTINEL, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", GROUP))


def _address(said: Any) -> str:
    """The address in a sentinel's answer. Raises EnvironmentFailed for another answer."""
    first = said[0] if said else None
    if isinstance(first, bytes):
        return first.decode("ascii")
    if isinstance(first, str):
        return first
    raise EnvironmentFailed(f"a sentinel names {said!r} for the primary of {GROUP}")


def _node_at(address: str, cluster: ForeignCluster) -> ForeignNode:
    for node in cluster.nodes.values():
        if node.address == address:
            return node
    raise EnvironmentFailed(f"a sentinel names {address}, which is no node")


def _replication(node: ForeignNode) -> dict[str, str]:
    """What a server says of its replication, name by name."""
    text: bytes = _ask(node, REDIS, "INFO", "replication")
    pairs = (line.partition(":") for line in text.decode("ascii").splitlines() if ":" in line)
    return {name: value for name, _, value in pairs}


def _caught_up(replica: str, offset: str) -> bool:
    fields = dict(field.split("=", 1) for field in replica.split(","))
    return fields["state"] == "online" and fields["offset"] == offset


SYSTEM: Final = Redis()

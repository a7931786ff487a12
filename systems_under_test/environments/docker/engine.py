"""The Docker engine: one client for each thread, work side by side, errors in words.

Everything that is made carries the label `lineal`, whose value is the id of the run, and the label
`lineal.owner`, which says which process made it; images carry `lineal=image` or `lineal=base`.
"""

from __future__ import annotations

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import docker
import docker.errors
import requests

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.local.processes import look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
R = TypeVar("R")

LABEL: Final = "lineal"
OWNER_LABEL: Final = "lineal.owner"
CALL_S_MAX: Final = 60
"""So long the engine may take for one answer; a build may be silent for a while."""
THREADS_MAX: Final = 8

_START_IT: Final = "start a Docker engine, or say in DOCKER_HOST where one answers"


@contextlib.contextmanager
def in_words(what: str) -> Iterator[None]:
    """Turn what the engine or the way to it raises into EnvironmentFailed."""
    try:
        yield
    except docker.errors.APIError as error:
        said = error.explanation or str(error)
        raise EnvironmentFailed(f"docker: {what}: {said}") from error
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise EnvironmentFailed(f"docker: {what}: {error}; {_START_IT}") from error


def connect() -> docker.DockerClient:
    """A client of the engine that DOCKER_HOST or the default socket leads to."""
    with in_words("no engine answers"):
        client = docker.from_env(timeout=CALL_S_MAX)
        try:
            client.ping()
        except BaseException:
            client.close()
            raise
        return client


class Engine:
    """The engine for the threads of one cluster. `close` it."""

    def __init__(self) -> None:
        """Raises EnvironmentFailed where no engine answers."""
        self._own = threading.local()
        self._clients: list[docker.DockerClient] = []
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="docker")
        try:
            self.client.ping()
        except BaseException:
            self.close()
            raise

    @property
    def client(self) -> docker.DockerClient:
        """The calling thread's client: clients are not shared between threads."""
        client: docker.DockerClient | None = getattr(self._own, "client", None)
        if client is None:
            client = self._own.client = connect()
            with self._lock:
                self._clients.append(client)
        return client

    def side_by_side(self, act: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """The results for all items, in order; all are tried, then the first failure is raised."""
        futures = [self._pool.submit(act, item) for item in items]
        failures = [error for future in futures if (error := future.exception()) is not None]
        if failures:
            raise failures[0]
        return [future.result() for future in futures]

    def close(self) -> None:
        """Let go of threads and connections."""
        self._pool.shutdown()
        with self._lock:
            for client in self._clients:
                client.close()
            self._clients.clear()
        self._own = threading.local()


def owner() -> str:
    """This process, so that nobody else's cleanup takes what it has made: boot, namespace, birth.

    A pid alone comes again; so does the time it began at, after the machine was started again.
    """
    seen = look(os.getpid())
    birth = "" if seen is None else "_".join(seen.birth.split())
    return f"{_boot()} {_namespace()} {os.getpid()} {birth}"


def owner_lives(said: str) -> bool:
    """Whether the process of an owner label may still live; what cannot be seen may."""
    words = said.split()
    if len(words) != 4:
        return False
    boot, namespace, pid, birth = words
    if boot != _boot():
        return False
    if namespace != _namespace():
        return True
    seen = look(int(pid))
    return seen is not None and seen.letter != "Z" and "_".join(seen.birth.split()) == birth


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "-"


def _namespace() -> str:
    """The numbers of processes mean nothing in another pid namespace."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "-"

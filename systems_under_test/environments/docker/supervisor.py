"""Process 1 of a container: it starts, kills and pauses the node's process, and outlives it.

So a crash of the node leaves address, files and packet rules in place, as that of a process on a
machine does. It listens for the harness on a TCP port: one request for each connection, a line of
JSON that carries the run's token, answered by another. After `start` the connection itself becomes
the node's standard input and output: when the harness ends, so does the node.

It also sends and receives datagrams to and from its like, by which the harness sees whether a
packet passes from one node to another: TCP would need both directions.

Imports the standard library only, and little of it.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import OrderedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONTROL_PORT = 7900
DATAGRAM_PORT = 7901
LINE_BYTES_MAX = 2**20
LINE_S_MAX = 2.0
OBEY_S_MAX = 5.0
RUN_S_MAX = 10.0
PROBES_MAX = 64
OOM_FILES = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
OOM_SCORE = "500"
"""Out of memory, the node's process goes first and not this one."""
MEMORY_FILES = ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes")
CPU_FILES = ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat")
EXHAUST = "import sys; ballast = bytearray(int(sys.argv[1])); ballast[::4096] = ballast[::4096]"
"""Touches every page of so many bytes."""


class Refused(Exception):
    """A request that cannot be carried out; the message says why."""


class Supervisor:
    """Serves one container."""

    def __init__(self, *, token: str, name: str, record: str) -> None:
        """`record` is the file that gets a line for each start and each end of the node."""
        self._token = token
        self._name = name
        self._record = record
        self._process: subprocess.Popen[bytes] | None = None
        self._status: int | None = None
        self._oom_kills = oom_kills()
        self._heard: OrderedDict[str, set[str]] = OrderedDict()
        self._acts = {
            "hello": self._hello,
            "kill": self._kill,
            "pause": lambda request: self._signal(signal.SIGSTOP, "T"),
            "resume": lambda request: self._signal(signal.SIGCONT, None),
            "state": self._state,
            "send": self._send,
            "heard": self._hear,
            "run": self._run,
            "usage": self._usage,
            "exhaust": self._exhaust,
        }

    def serve(self) -> None:
        """Until process 1 is told to end."""
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
        listener = socket.create_server(("0.0.0.0", CONTROL_PORT), backlog=64)
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind(("0.0.0.0", DATAGRAM_PORT))
        self._datagrams.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(woken, selectors.EVENT_READ, lambda: os.read(woken, 512))
            selector.register(self._datagrams, selectors.EVENT_READ, self._receive)
            selector.register(listener, selectors.EVENT_READ, lambda: self._take(listener))
            while True:
                for key, _ in selector.select():
                    key.data()
                self._reap()

    def _take(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(LINE_S_MAX)
            try:
                request = json.loads(read_line(connection))
                if not hmac.compare_digest(str(request.get("token", "")), self._token):
                    return
                if request["do"] == "start":
                    self._start(request, connection)
                    return
                answer = self._acts[request["do"]](request)
            except Refused as error:
                answer = {"error": str(error)}
            except (OSError, ValueError, KeyError, TypeError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            with contextlib.suppress(OSError):
                connection.sendall(json.dumps(answer).encode() + b"\n")

    def _hello(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"name": self._name}

    def _start(self, request: dict[str, Any], connection: socket.socket) -> None:
        """Start the node on this very connection."""
        self._reap()
        if self._process is not None and self._status is None:
            raise Refused(f"process {self._process.pid} runs already")
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with open(request["log"], "ab") as log:
            process = subprocess.Popen(
                request["command"],
                stdin=connection.fileno(),
                stdout=connection.fileno(),
                stderr=log,
                start_new_session=True,
                preexec_fn=go_first,
            )
        self._process, self._status = process, None
        self._oom_kills = oom_kills()
        self._note({"event": "start", "pid": process.pid})
        connection.sendall(json.dumps({"pid": process.pid}).encode() + b"\n")

    def _kill(self, request: dict[str, Any]) -> dict[str, Any]:
        self._reap()
        process = self._process
        if process is not None and self._status is None:
            os.killpg(process.pid, signal.SIGKILL)
            self._await(lambda: self._status is not None, "did not die")
        return self._state(request)

    def _signal(self, number: signal.Signals, letter: str | None) -> dict[str, Any]:
        self._reap()
        process = self._process
        if process is not None and self._status is None:
            os.killpg(process.pid, number)
            self._await(lambda: self._obeyed(letter), f"did not obey {number.name}")
        return self._state({})

    def _obeyed(self, letter: str | None) -> bool:
        return self._status is not None or (self._letter() == "T") == (letter == "T")

    def _await(self, happened: Any, failure: str) -> None:
        deadline = time.monotonic() + OBEY_S_MAX
        while not happened():
            if time.monotonic() > deadline:
                raise Refused(f"the node's process {failure} within {OBEY_S_MAX:g} s")
            time.sleep(0.0005)
            self._reap()

    def _state(self, request: dict[str, Any]) -> dict[str, Any]:
        """What the kernel says of the node's process now."""
        self._reap()
        process = self._process
        if process is None:
            return {"state": "dead", "pid": None, "status": None}
        if self._status is not None:
            return {"state": "dead", "pid": process.pid, "status": self._status}
        state = "paused" if self._letter() == "T" else "running"
        return {"state": state, "pid": process.pid, "status": None}

    def _letter(self) -> str:
        assert self._process is not None
        with open(f"/proc/{self._process.pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
        return text[text.rindex(")") + 2]

    def _send(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a datagram to each of these: {"probe": id, "to": {name: address}}."""
        datagram = json.dumps([request["probe"], self._name]).encode()
        for address in request["to"].values():
            # A rule of the kernel that drops what goes out says so by EPERM: then none passes.
            with contextlib.suppress(OSError):
                self._datagrams.sendto(datagram, (address, DATAGRAM_PORT))
        return {}

    def _hear(self, request: dict[str, Any]) -> dict[str, Any]:
        """Whose datagrams of that probe have come."""
        self._receive()
        return {"from": sorted(self._heard.get(request["probe"], ()))}

    def _receive(self) -> None:
        while True:
            try:
                datagram = self._datagrams.recv(4096)
            except BlockingIOError:
                return
            with contextlib.suppress(ValueError, TypeError):
                probe, sender = json.loads(datagram)
                self._heard.setdefault(probe, set()).add(sender)
                while len(self._heard) > PROBES_MAX:
                    self._heard.popitem(last=False)

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run programs side by side: {"programs": [[command, standard input], ...]}."""
        running = []
        for command, fed in request["programs"]:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            running.append((process, fed))
        results = []
        for process, fed in running:
            out, error = process.communicate(fed, timeout=RUN_S_MAX)
            results.append([process.returncode, out, error])
        return {"results": results}

    def _usage(self, request: dict[str, Any]) -> dict[str, Any]:
        """What the container uses: bytes of memory, and how often its processor was withheld."""
        return {
            "memory": int(read_first(MEMORY_FILES).split()[0]),
            "throttled": counter("nr_throttled", CPU_FILES),
            "oom_kills": oom_kills(),
        }

    def _exhaust(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask for so many bytes more than there are; the kernel takes the node's process for it."""
        before = oom_kills()
        ballast = subprocess.Popen([sys.executable, "-c", EXHAUST, str(request["bytes"])])
        try:
            self._await(lambda: self._status is not None, "was not killed for want of memory")
        finally:
            ballast.kill()
            with contextlib.suppress(ChildProcessError):
                ballast.wait()
        return {**self._state(request), "oom_kills": oom_kills() - before}

    def _reap(self) -> None:
        """Fetch who has died: the node, or an orphan that has come to process 1."""
        while True:
            try:
                pid, wait_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._process is not None and pid == self._process.pid:
                status = os.waitstatus_to_exitcode(wait_status)
                self._status = self._process.returncode = status
                killed = oom_kills() - self._oom_kills
                self._note({"event": "end", "pid": pid, "status": status, "oom_kills": killed})

    def _note(self, line: dict[str, Any]) -> None:
        line = {"time": time.time_ns(), "machine": time.monotonic_ns(), **line}
        with contextlib.suppress(OSError), open(self._record, "a", encoding="ascii") as file:
            file.write(json.dumps(line) + "\n")


def go_first() -> None:
    """In the child: let the kernel take the node before its supervisor when memory is short."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(OOM_SCORE)


def oom_kills() -> int:
    """How many processes of this container the kernel has killed for want of memory."""
    return counter("oom_kill", OOM_FILES)


def counter(name: str, paths: tuple[str, ...]) -> int:
    """The number behind a word in the first of the files that there is, 0 without any."""
    for line in read_first(paths).splitlines():
        word, _, number = line.partition(" ")
        if word == name:
            return int(number)
    return 0


def read_first(paths: tuple[str, ...]) -> str:
    """What the first of these files holds that there is."""
    for path in paths:
        with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
            return file.read()
    return ""


def read_line(connection: socket.socket) -> bytes:
    """A line. Nothing stands behind it: each side waits for the other's line before it goes on."""
    line = bytearray()
    while not line.endswith(b"\n"):
        chunk = connection.recv(65_536)
        if not chunk or len(line) > LINE_BYTES_MAX:
            raise ValueError("the connection ended before the line did")
        line += chunk
    return bytes(line)


if __name__ == "__main__":
    Supervisor(
        token=os.environ["LINEAL_TOKEN"],
        name=os.environ["LINEAL_NODE"],
        record=os.environ["LINEAL_RECORD"],
    ).serve()

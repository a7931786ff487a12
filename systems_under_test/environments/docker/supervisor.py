"""Process 1 of a container: it starts, kills and pauses the node's processes, and outlives them.

So a crash of the node leaves address, files and packet rules in place, as that of a process on a
machine does. A bundled system has one process in a node, a foreign one as many as it starts; they
are killed and paused together.

It listens for the harness on a TCP port: one request for each connection, a line of JSON that
carries the run's token, answered by another. After `start` the connection itself becomes
the node's standard input and output: when the harness ends, so does the node. What `daemon` starts
ends with the container.

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
NODE = "node"
"""The name of a bundled system's one process."""
PROBES_MAX = 64
OOM_FILES = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
OOM_SCORE = "500"
"""Out of memory, the node's process goes first and not this one."""
MEMORY_FILES = ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes")
QUOTA_FILES = ("/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
"""`max 100000` or `5000 100000`, and `-1` or `5000`, of a period that we set ourselves."""
CPU_PERIOD_US = 100_000
CPU_FILES = ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat")
EXHAUST = "import sys; ballast = bytearray(int(sys.argv[1])); ballast[::4096] = ballast[::4096]"
"""Touches every page of so many bytes."""


class Refused(Exception):
    """A request that cannot be carried out; the message says why."""


class Program:
    """A process of the node, and how it ended."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.status: int | None = None

    @property
    def pid(self) -> int:
        """Its number, which is that of its process group too."""
        return self.process.pid

    def letter(self) -> str:
        """What the kernel says of its state; X once it is gone."""
        try:
            with open(f"/proc/{self.pid}/stat", encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            return "X"
        return text[text.rindex(")") + 2]

    def signal(self, number: signal.Signals) -> None:
        """To it and all its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


class Supervisor:
    """Serves one container."""

    def __init__(self, *, token: str, name: str, record: str) -> None:
        """`record` is the file that gets a line for each start and each end of a program."""
        self._token = token
        self._name = name
        self._record = record
        self._programs: dict[str, Program] = {}
        self._oom_kills = oom_kills()
        self._heard: OrderedDict[str, dict[str, int]] = OrderedDict()
        self._acts = {
            "hello": self._hello,
            "daemon": self._daemon,
            "stop": self._stop,
            "kill": self._kill,
            "pause": lambda request: self._signal(signal.SIGSTOP, stopped=True),
            "resume": lambda request: self._signal(signal.SIGCONT, stopped=False),
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
        if self._living():
            raise Refused(f"process {self._living()[0].pid} runs already")
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        program = self._launch(NODE, request, connection.fileno(), connection.fileno())
        connection.sendall(json.dumps({"pid": program.pid}).encode() + b"\n")

    def _daemon(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start a program under a name; one that runs is left alone."""
        self._reap()
        there = self._programs.get(request["name"])
        if there is not None and there.status is None:
            return {"pid": there.pid}
        return {"pid": self._launch(request["name"], request, subprocess.DEVNULL, None).pid}

    def _launch(
        self, name: str, request: dict[str, Any], stdin: int, stdout: int | None
    ) -> Program:
        with open(request["log"], "ab") as log:
            process = subprocess.Popen(
                request["command"],
                stdin=stdin,
                stdout=log if stdout is None else stdout,
                stderr=log,
                cwd=request.get("directory"),
                env={**os.environ, **request.get("environment", {})},
                start_new_session=True,
                preexec_fn=go_first,
            )
        program = self._programs[name] = Program(process)
        self._oom_kills = oom_kills()
        self._note({"event": "start", "program": name, "pid": process.pid})
        return program

    def _living(self) -> list[Program]:
        return [program for program in self._programs.values() if program.status is None]

    def _kill(self, request: dict[str, Any]) -> dict[str, Any]:
        self._reap()
        for program in self._living():
            program.signal(signal.SIGKILL)
        self._await(lambda: not self._living(), "did not die")
        return self._state(request)

    def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask the programs to end. Whether they did, `state` says: nobody waits for it here."""
        self._reap()
        for program in self._living():
            program.signal(signal.SIGTERM)
        return self._state(request)

    def _signal(self, number: signal.Signals, *, stopped: bool) -> dict[str, Any]:
        self._reap()
        for program in self._living():
            program.signal(number)
        self._await(
            lambda: all((program.letter() == "T") == stopped for program in self._living()),
            f"did not obey {number.name}",
        )
        return self._state({})

    def _await(self, happened: Any, failure: str) -> None:
        deadline = time.monotonic() + OBEY_S_MAX
        while not happened():
            if time.monotonic() > deadline:
                raise Refused(f"the node's process {failure} within {OBEY_S_MAX:g} s")
            time.sleep(0.0005)
            self._reap()

    def _state(self, request: dict[str, Any]) -> dict[str, Any]:
        """What the kernel says of the node's programs now: dead, if one of them is."""
        self._reap()
        programs = {
            name: {"pid": program.pid, "status": program.status}
            for name, program in self._programs.items()
        }
        living = self._living()
        state = "running"
        if not living or len(living) < len(programs):
            state = "dead"
        elif all(program.letter() == "T" for program in living):
            state = "paused"
        return {"state": state, "programs": programs, "living": len(living)}

    def _send(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a datagram to each of these: {"probe": id, "to": {name: address}}."""
        for address in request["to"].values():
            sent = [request["probe"], self._name, time.monotonic_ns()]
            datagram = json.dumps(sent).encode()
            # A rule of the kernel that drops what goes out says so by EPERM: then none passes.
            with contextlib.suppress(OSError):
                self._datagrams.sendto(datagram, (address, DATAGRAM_PORT))
        return {}

    def _hear(self, request: dict[str, Any]) -> dict[str, Any]:
        """Whose datagrams of that probe have come, and in how many nanoseconds."""
        self._receive()
        return {"from": self._heard.get(request["probe"], {})}

    def _receive(self) -> None:
        while True:
            try:
                datagram = self._datagrams.recv(4096)
            except BlockingIOError:
                return
            with contextlib.suppress(ValueError, TypeError):
                probe, sender, sent = json.loads(datagram)
                # One machine, one such clock, whatever the container.
                took = time.monotonic_ns() - int(sent)
                self._heard.setdefault(probe, {}).setdefault(sender, took)
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
            "cpu_percent": cpu_percent(),
            "throttled": counter("nr_throttled", CPU_FILES),
            "oom_kills": oom_kills(),
        }

    def _exhaust(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask for so many bytes more than there are; the kernel takes the node's process for it."""
        before = oom_kills()
        ballast = subprocess.Popen([sys.executable, "-c", EXHAUST, str(request["bytes"])])
        try:
            self._await(
                lambda: len(self._living()) < len(self._programs),
                "was not killed for want of memory",
            )
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
            for name, program in self._programs.items():
                if pid == program.pid and program.status is None:
                    self._ended(name, program, os.waitstatus_to_exitcode(wait_status))

    def _ended(self, name: str, program: Program, status: int) -> None:
        program.status = program.process.returncode = status
        killed = oom_kills() - self._oom_kills
        self._note(
            {
                "event": "end",
                "program": name,
                "pid": program.pid,
                "status": status,
                "oom_kills": killed,
            }
        )

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


def cpu_percent() -> int:
    """How much of a processor this container may use; 0 where it is not limited."""
    words = read_first(QUOTA_FILES).split() or ["max"]
    return 0 if words[0] in ("max", "-1") else round(100 * int(words[0]) / CPU_PERIOD_US)


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

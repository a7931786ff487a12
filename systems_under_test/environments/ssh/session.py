"""The harness's end of an attendant: one SSH channel, requests and answers, events."""

from __future__ import annotations

import concurrent.futures
import json
import logging
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

import paramiko

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from systems_under_test.environments.cluster import EnvironmentFailed
    from systems_under_test.environments.ssh.connecting import Way

    Answer = Future[Mapping[str, Any]]

logger = logging.getLogger("lineal.ssh")

BEAT_S: Final = 1.0
ANSWER_S_MAX: Final = 15.0
END_S_MAX: Final = 15.0
COMPLAINT_BYTES_MAX: Final = 2**16
CHUNK_BYTES: Final = 2**16


class Session:
    """Speaks with the attendant of one node. May be used by several threads."""

    def __init__(
        self, way: Way, client: paramiko.SSHClient, on_log: Callable[[bytes], None]
    ) -> None:
        """Nothing is started before `begin`."""
        self.way = way
        self._client = client
        self._on_log = on_log
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._channel: paramiko.Channel | None = None
        self._reader: threading.Thread | None = None
        self._number = 0
        self._answers: dict[int, Answer] = {}
        self._of_the_node: set[int] = set()
        self._hello: Mapping[str, Any] | None = None
        self._lost: EnvironmentFailed | None = None
        self._ending = False
        self.ready: Mapping[str, Any] | None = None
        """What the node said when it was ready, in this life."""
        self.ended: Mapping[str, Any] | None = None
        """How its latest life ended; None while it goes on."""

    @property
    def reached_at(self) -> str:
        """The machine's address, as we reach it."""
        transport = self._client.get_transport()
        assert transport is not None
        return str(transport.getpeername()[0])

    def run(self, command: str) -> tuple[int, str, str]:
        """Run a short command on the machine: its status, what it printed, what it complained."""
        try:
            stdin, stdout, stderr = self._client.exec_command(command, timeout=ANSWER_S_MAX)
            with stdin, stdout, stderr:
                said, complained = stdout.read(), stderr.read()
                status = stdout.channel.recv_exit_status()
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self.way.failure(f"a command could not be run: {error}") from error
        return status, said.decode(errors="replace"), complained.decode(errors="replace").strip()

    def begin(self, command: str, payload: bytes) -> Mapping[str, Any]:
        """Start the attendant; its hello. Raises EnvironmentFailed."""
        transport = self._client.get_transport()
        assert transport is not None
        try:
            channel = self._channel = transport.open_session(timeout=ANSWER_S_MAX)
            channel.exec_command(command)
            channel.settimeout(ANSWER_S_MAX)
            channel.sendall(payload)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self.way.failure(f"the node's files could not be sent: {error}") from error
        channel.settimeout(BEAT_S)
        self._reader = threading.Thread(
            target=self._read, args=(channel,), name=f"ssh-{self.way.place.name}", daemon=True
        )
        self._reader.start()
        self.wait(lambda: self._hello is not None, ANSWER_S_MAX, "started no attendant")
        assert self._hello is not None
        return self._hello

    def post(self, do: str, **fields: Any) -> Answer:
        """Send a request; the answer comes when the attendant gives it."""
        answer: Answer = Future()
        with self._changed:
            self._number += 1
            number = self._number
            if self._lost is not None:
                answer.set_exception(self._lost)
                return answer
            self._answers[number] = answer
            if do == "node":
                self._of_the_node.add(number)
        self._send({"id": number, "do": do, **fields})
        return answer

    def result(self, answer: Answer, do: str, timeout_s: float = ANSWER_S_MAX) -> Mapping[str, Any]:
        """The answer to a request that was posted. Raises EnvironmentFailed."""
        try:
            return answer.result(timeout_s)
        except concurrent.futures.TimeoutError:
            raise self.way.failure(f"no answer to `{do}` within {timeout_s:g} s") from None

    def ask(self, do: str, *, timeout_s: float = ANSWER_S_MAX, **fields: Any) -> Mapping[str, Any]:
        """The answer to a request. Raises EnvironmentFailed."""
        return self.result(self.post(do, **fields), do, timeout_s)

    def wait(self, happened: Callable[[], bool], timeout_s: float, otherwise: str) -> None:
        """Wait for what an event changes. Raises EnvironmentFailed."""
        with self._changed:
            self._changed.wait_for(lambda: happened() or self._lost is not None, timeout_s)
            if happened():
                return
            if self._lost is not None:
                raise self._lost
        raise self.way.failure(f"{otherwise} within {timeout_s:g} s")

    def new_life(self) -> None:
        """A node is about to be started: what the life before said is over."""
        with self._changed:
            self.ready = self.ended = None

    def end(self) -> str | None:
        """Let the attendant kill the node and clean up, wait for it; what was left, if anything."""
        self._ending = True
        channel, left = self._channel, None
        try:
            if channel is not None and self._reader is not None:
                channel.shutdown_write()
                self._reader.join(END_S_MAX)
                if self._reader.is_alive():
                    left = f"{self.way}: not cleaned up within {END_S_MAX:g} s"
                elif not channel.status_event.wait(END_S_MAX) or channel.exit_status != 0:
                    left = f"{self.way}: not cleaned up: {self._complaint(channel)}"
        except (paramiko.SSHException, OSError, EOFError) as error:
            left = f"{self.way}: not cleaned up: {error}"
        finally:
            self._client.close()
            if self._reader is not None:
                self._reader.join(END_S_MAX)
        return left

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._channel is not None
        try:
            with self._sending:
                self._channel.sendall(json.dumps(message).encode() + b"\n")
        except (paramiko.SSHException, OSError, EOFError):
            # Half a line may have been sent. The reader sees the end, and tells whoever waits.
            self._channel.close()

    def _read(self, channel: paramiko.Channel) -> None:
        waiting = b""
        beaten = time.monotonic()
        try:
            while True:
                try:
                    data = channel.recv(CHUNK_BYTES)
                except TimeoutError:
                    data = None
                if data == b"":
                    break
                *lines, waiting = (waiting + (data or b"")).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))
                if time.monotonic() - beaten >= BEAT_S and not self._ending:
                    beaten = time.monotonic()
                    self._send({"id": 0, "do": "beat"})
        except Exception:
            logger.exception("the session of %s broke", self.way)
        finally:
            self._lose(channel)

    def _lose(self, channel: paramiko.Channel) -> None:
        failure = self.way.failure(f"its attendant has ended: {self._complaint(channel)}")
        with self._changed:
            self._lost = failure
            left, self._answers = self._answers, {}
            self._changed.notify_all()
        for answer in left.values():
            answer.set_exception(failure)

    def _complaint(self, channel: paramiko.Channel) -> str:
        said = b""
        while channel.recv_stderr_ready() and len(said) < COMPLAINT_BYTES_MAX:
            said += channel.recv_stderr(CHUNK_BYTES)
        lines = said.decode(errors="replace").strip().splitlines()
        if lines:
            logger.error("the attendant of %s said:\n%s", self.way, "\n".join(lines))
            return lines[-1]
        return "the connection was lost"

    def _take(self, message: Mapping[str, Any]) -> None:
        event = message.get("event")
        if event == "log":
            self._on_log(str(message["text"]).encode("latin-1"))
            return
        with self._changed:
            if event == "hello":
                self._hello = message
            elif event == "ended":
                self.ended = message
                self._fail_those_of_the_node()
            elif event == "node" and message["message"].get("event") == "ready":
                self.ready = message["message"]
            elif event != "node":
                self._settle(message)
            else:
                self._settle(message["message"])
            self._changed.notify_all()

    def _settle(self, message: Mapping[str, Any]) -> None:
        number = message.get("id", 0)
        self._of_the_node.discard(number)
        answer = self._answers.pop(number, None)
        if answer is None:
            return
        if "error" in message:
            answer.set_exception(self.way.failure(str(message["error"])))
        else:
            answer.set_result(message)

    def _fail_those_of_the_node(self) -> None:
        for number in sorted(self._of_the_node):
            answer = self._answers.pop(number, None)
            if answer is not None:
                answer.set_exception(self.way.failure("the node ended before it answered"))
        self._of_the_node.clear()

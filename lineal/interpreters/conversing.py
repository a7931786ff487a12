"""Carries out conversations: in virtual time by events, in real time by threads."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from workloads.client import Failure, Reply
from workloads.conversation import told

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from systems_under_test.environments.http_client import HttpClient
    from systems_under_test.environments.simulated.cluster import SimulatedCluster
    from workloads.client import Completion, Request
    from workloads.conversation import Answers, Conversation, Conversing, Round
    from workloads.invocations import Invocation

THREADS_MAX: Final = 16
"""Requests of one client at the same time; late ones of a round that is over are among them."""


class SimulatedTalk:
    """One conversation in virtual time. Late answers of a round that is over are dropped."""

    def __init__(
        self,
        cluster: SimulatedCluster,
        conversation: Conversation,
        deadline: int,
        done: Callable[[Completion], None],
    ) -> None:
        self._cluster = cluster
        self._conversation = conversation
        self._deadline = deadline
        self._done = done
        self._round: Round | None = None
        self._answers: dict[str, Reply | Failure] = {}

    def begin(self) -> None:
        """Send the first round."""
        self._go_on(None)

    def _go_on(self, answers: Answers | None) -> None:
        try:
            asked = (
                next(self._conversation) if answers is None else self._conversation.send(answers)
            )
        except StopIteration as ended:
            self._done(ended.value)
            return
        self._round, self._answers = asked, {}
        for node, request in asked.requests.items():
            answer = partial(self._answer, asked, node)
            self._cluster.submit(node, request, self._deadline, answer)

    def _answer(self, asked: Round, node: str, reply: Reply | Failure) -> None:
        if asked is not self._round:
            return
        self._answers[node] = reply
        if told(self._answers) >= asked.enough or len(self._answers) == len(asked.requests):
            self._round = None
            self._go_on(self._answers)


class TalkingClient:
    """A live client that converses, for one worker."""

    def __init__(self, codec: Conversing, node: str, connect: Callable[[str], HttpClient]) -> None:
        self._codec = codec
        self._node = node
        self._connect = connect
        self._memory: dict[str, Any] = {}
        self._idle: dict[str, list[HttpClient]] = {}
        self._threads = ThreadPoolExecutor(THREADS_MAX)
        self._closed = False

    def invoke(self, invocation: Invocation, request_id: str, timeout_s: float) -> Completion:
        """Carry out the operation within the time-out."""
        deadline = time.monotonic() + timeout_s
        conversation = self._codec.converse(
            invocation,
            request_id,
            node=self._node,
            memory=self._memory,
            now=time.monotonic_ns(),
        )
        try:
            asked = next(conversation)
            while True:  # Ends with the conversation, whose every round ends with the time-out.
                asked = conversation.send(self._ask(asked, deadline))
        except StopIteration as ended:
            completion: Completion = ended.value
            return completion

    def close(self) -> None:
        """Let go of every connection; one that is in use is let go of when its answer is there."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for clients in self._idle.values():
            while clients:
                clients.pop().close()

    def _ask(self, asked: Round, deadline: float) -> Answers:
        calls: dict[Future[Reply | Failure], str] = {
            self._threads.submit(self._call, node, request, deadline): node
            for node, request in asked.requests.items()
        }
        answers: dict[str, Reply | Failure] = {}
        waiting = set(calls)
        while waiting and told(answers) < asked.enough:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            answers.update((calls[call], call.result()) for call in done)
        return answers

    def _call(self, node: str, request: Request, deadline: float) -> Reply | Failure:
        left = deadline - time.monotonic()
        if left <= 0:
            return Failure("the time was up before it was asked", definite=True)
        idle = self._idle.setdefault(node, [])
        client = idle.pop() if idle else self._connect(node)
        reply = client.call(request, left)
        idle.append(client)
        if self._closed:
            client.close()
        return reply

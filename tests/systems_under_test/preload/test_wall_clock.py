"""A wall clock that is moved under programs of the test's own: CPython, and one in C."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.host.clock import ClockSetting
from systems_under_test.preload.wall_clock import SOURCE, WallClock, library, preloaded
from tests.systems_under_test.local.clusters import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here"),
]

SECOND = 1_000_000_000
ANSWERS = """
import asyncio, json, queue, select, sys, threading, time
for line in sys.stdin:
    print(json.dumps(eval(line)), flush=True)
"""
BLOCKING = {
    "sleep": "time.sleep(0.1)",
    "event": "threading.Event().wait(0.1)",
    "lock": "(lambda lock: [lock.acquire(), lock.acquire(timeout=0.1)])(threading.Lock())",
    "condition": "(lambda c: [c.acquire(), c.wait(0.1)])(threading.Condition())",
    "queue": "(lambda q: q.not_empty.acquire() and q.not_empty.wait(0.1))(queue.Queue())",
    "thread": "(lambda t: [t.start(), t.join(0.1)])(threading.Timer(0.3, str))",
    "select": "select.select([], [], [], 0.1)",
    "asyncio": "asyncio.run(asyncio.sleep(0.1))",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return library(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[WallClock]:
    clock = WallClock(tmp_path / "clock")
    yield clock
    clock.close()


@contextlib.contextmanager
def program(
    made: Path, clock: WallClock, interpreter: str = sys.executable
) -> Iterator[Callable[[str], Any]]:
    """A CPython that evaluates what it is asked."""
    with subprocess.Popen(
        [interpreter, "-c", ANSWERS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=preloaded(str(made), str(clock.path), os.environ),
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def ask(expression: str) -> Any:
            stdin.write(expression + "\n")
            stdin.flush()
            return json.loads(stdout.readline())

        try:
            yield ask
        finally:
            stdin.close()


def offset_s(ask: Callable[[str], Any]) -> tuple[float, float]:
    """Between which bounds its wall clock is ahead of ours: it was read between two of our own."""
    before = time.time()
    seen: float = ask("time.time()")
    return seen - time.time(), seen - before


def shows(ask: Callable[[str], Any], offset: float) -> bool:
    low, high = offset_s(ask)
    return low - 0.001 <= offset <= high + 0.001


def test_a_jump_is_seen_at_once_and_set_back_exactly(made: Path, clock: WallClock) -> None:
    with program(made, clock) as ask:
        assert shows(ask, 0)
        for offset in (60, -3600, 0):
            clock.change(wall_offset_ns=offset * SECOND)
            assert shows(ask, offset)
        assert clock.setting.wall_offset_ns == 0
        assert ask("time.time_ns()") <= time.time_ns()


def test_a_drift_counts_from_when_it_begins_and_stays_when_it_ends(
    made: Path, clock: WallClock
) -> None:
    with program(made, clock) as ask:
        time.sleep(0.1)
        earliest = time.monotonic()
        clock.change(rate_ppm=500_000)
        latest = time.monotonic()
        until(lambda: offset_s(ask)[0] > 0.2)
        before = time.monotonic()
        low, high = offset_s(ask)
        after = time.monotonic()
        assert low - 0.001 <= (after - earliest) / 2, "it gains half a second in a second"
        assert high + 0.001 >= (before - latest) / 2
        clock.change(rate_ppm=0)
        stayed = clock.setting.wall_offset_ns / SECOND
        assert stayed > 0.2
        assert shows(ask, stayed)


def test_every_wall_clock_is_moved_and_no_monotonic_one(made: Path, clock: WallClock) -> None:
    clock.change(wall_offset_ns=3600 * SECOND)
    with program(made, clock) as ask:
        wall = [
            "time.time()",
            "time.clock_gettime(time.CLOCK_REALTIME)",
            "time.mktime(time.localtime())",
            "__import__('datetime').datetime.now().timestamp()",
            (
                "int(__import__('email.utils').utils.mktime_tz(__import__('email.utils').utils."
                "parsedate_tz(__import__('email.utils').utils.formatdate())))"
            ),
        ]
        for expression in wall:
            assert abs(ask(expression) - time.time() - 3600) < 2, expression
        for expression in ("time.monotonic()", "time.clock_gettime(time.CLOCK_MONOTONIC)"):
            assert abs(ask(expression) - time.monotonic()) < 1, expression


@pytest.mark.parametrize("minor", range(9, 15))
def test_interpreters_wait_as_long_as_they_should(made: Path, clock: WallClock, minor: int) -> None:
    interpreter = shutil.which(f"python3.{minor}") or ""
    works = [interpreter, "-c", "import asyncio, queue"]
    if not interpreter or subprocess.run(works, capture_output=True, check=False).returncode:
        pytest.skip(f"there is no Python 3.{minor} here")
    with program(made, clock, interpreter) as ask:
        for offset in (60, -60):
            clock.change(wall_offset_ns=offset * SECOND, rate_ppm=200_000)
            for name, expression in BLOCKING.items():
                began = time.monotonic()
                ask(f"[{expression}] and None")
                assert 0.09 < time.monotonic() - began < 5, (name, offset)


def test_it_shows_whether_a_program_asks_for_the_time_at_all(made: Path, clock: WallClock) -> None:
    assert clock.reads == 0
    with program(made, clock) as ask:
        before = clock.reads
        ask("time.time()")
        assert clock.reads > before
        before = clock.reads
        ask("time.monotonic()")
        assert clock.reads == before


C_PROGRAM = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct timespec in_a_tenth(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += 100000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static void say(const char *name, int ended, struct timespec began)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long ms = (now.tv_sec - began.tv_sec) * 1000 + (now.tv_nsec - began.tv_nsec) / 1000000;
    printf("%s %d %ld\n", name, ended, ms);
}

int main(void)
{
    struct timespec began, end;
    sem_t semaphore;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t wall = PTHREAD_COND_INITIALIZER, mono;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&mono, &attributes);
    sem_init(&semaphore, 0, 0);
#define TRY(name, clock, call) \
    clock_gettime(CLOCK_MONOTONIC, &began); end = in_a_tenth(clock); say(name, call, began)
    TRY("semaphore", CLOCK_REALTIME, sem_timedwait(&semaphore, &end) ? errno : 0);
    pthread_mutex_lock(&mutex);
    TRY("wall", CLOCK_REALTIME, pthread_cond_timedwait(&wall, &mutex, &end));
    TRY("mono", CLOCK_MONOTONIC, pthread_cond_timedwait(&mono, &mutex, &end));
    TRY("mutex", CLOCK_REALTIME, pthread_mutex_timedlock(&mutex, &end));
    TRY("sleep", CLOCK_REALTIME, clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &end, NULL));
    end.tv_nsec = -1;
    printf("invalid %d 100\n", clock_nanosleep(CLOCK_MONOTONIC, 0, &end, NULL) == EINVAL);
    return 0;
}
"""


def test_deadlines_on_the_wall_clock_are_met(made: Path, clock: WallClock, tmp_path: Path) -> None:
    (tmp_path / "waits.c").write_text(C_PROGRAM)
    waits = [str(tmp_path / "waits"), str(tmp_path / "waits.c")]
    subprocess.run(["cc", "-pthread", "-o", *waits], check=True)
    for offset in (60, -60):
        clock.change(wall_offset_ns=offset * SECOND)
        done = subprocess.run(
            waits[:1],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
            env=preloaded(str(made), str(clock.path), os.environ),
        )
        said = {
            name: (int(ended), int(ms))
            for name, ended, ms in map(str.split, done.stdout.splitlines())
        }
        assert said.pop("invalid")[0] == 1
        assert set(said) == {"semaphore", "wall", "mono", "mutex", "sleep"}
        assert all(95 <= ms < 5_000 for _, ms in said.values()), (offset, said)
        assert said["sleep"][0] == 0


def test_without_a_file_or_with_a_foreign_one_the_time_is_true(made: Path, tmp_path: Path) -> None:
    (tmp_path / "foreign").write_bytes(b"\xff" * 48)
    for path in (tmp_path / "absent", tmp_path / "foreign"):
        done = subprocess.run(
            ["date", "+%s"],
            capture_output=True,
            text=True,
            check=True,
            env=preloaded(str(made), str(path), os.environ),
        )
        assert abs(int(done.stdout) - time.time()) < 5


def test_a_setting_survives_the_harness(clock: WallClock, tmp_path: Path) -> None:
    setting = ClockSetting(since_ns=5, wall_offset_ns=-7, rate_ppm=-200_000)
    clock.set(setting)
    again = WallClock(tmp_path / "clock")
    assert again.setting == setting
    again.close()


def test_it_compiles_without_a_warning_and_once(tmp_path: Path) -> None:
    flags = ["-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-O2"]
    subprocess.run(["cc", *flags, "-o", str(tmp_path / "x.so"), str(SOURCE)], check=True)
    made = library(tmp_path / "cache")
    stamp = made.stat().st_mtime_ns
    assert library(tmp_path / "cache") == made
    assert made.stat().st_mtime_ns == stamp


def test_no_compiler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(EnvironmentFailed, match="`no-such-compiler` is not here"):
        library(tmp_path)

"""When a life has begun: after its first commit, before anything leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from systems_under_test.host.storage import CommitFailed
from systems_under_test.replica import Send, Started, Write
from tests.systems_under_test.host.test_life import Fixture, message, settle

if TYPE_CHECKING:
    from systems_under_test.replica import Effect


def test_a_life_has_begun_after_its_first_commit_and_before_anything_leaves() -> None:
    async def scene() -> None:
        effects: list[Effect] = [Write("t", b"k", b"v"), Send("n2", "I am here")]
        fixture = Fixture(lambda event, _: effects)
        seen = fixture.witness.seen
        fixture.begun = lambda: seen.append("begun")
        fixture.life.begin(Started(1))
        fixture.life.offer(message("another"))
        await settle()
        sent = ("send", "n2", "I am here")
        assert seen == ["commit", "begun", sent, "commit", sent]

    asyncio.run(scene())


def test_where_it_cannot_be_noted_that_a_life_has_begun_nothing_leaves() -> None:
    async def scene() -> None:
        def full() -> None:
            raise CommitFailed("no space")

        fixture = Fixture(lambda event, _: [Send("n2", "I am here")])
        fixture.begun = full
        fixture.life.begin(Started(1))
        await settle()
        assert ("send", "n2", "I am here") not in fixture.witness.seen
        assert fixture.witness.died == [74]

    asyncio.run(scene())

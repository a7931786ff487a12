"""A host looks at everything at rest for its replica, slice by slice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from systems_under_test.host.life import EXIT_STORAGE_DAMAGED
from systems_under_test.replica import Started, StorageDamaged, StorageVerified, VerifyStorage
from tests.systems_under_test.host.test_life import Fixture, message, settle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from systems_under_test.replica import Effect, Input, Turn


def test_inputs_are_handled_between_two_slices_of_a_look_at_everything_at_rest() -> None:
    async def scene() -> None:
        told: list[Any] = []

        def handle(event: Input, _: Turn) -> Sequence[Effect]:
            told.append(event)
            return [VerifyStorage()] if event == message("look") else []

        fixture = Fixture(handle)
        said = [None, "row 7", None, None, "row 9"]

        def looked() -> Iterator[str | None]:
            for number, damage in enumerate(said):
                fixture.life.offer(message(number))
                yield damage

        fixture.storage.damaged_records = looked  # type: ignore[method-assign]
        fixture.life.begin(Started(1))
        fixture.life.offer(message("look"))
        for _ in range(4):
            await settle()
        assert told.pop() == StorageVerified(("row 7", "row 9"))
        assert told == [Started(1), *map(message, ("look", 0, 1, 2, 3, 4))]

    asyncio.run(scene())


def test_a_look_at_what_is_at_rest_that_finds_the_store_unreadable_ends_the_life() -> None:
    async def scene() -> None:
        fixture = Fixture(lambda event, _: [VerifyStorage()] if event == message("look") else [])

        def looked() -> Iterator[str | None]:
            yield None
            raise StorageDamaged("store: malformed")

        fixture.storage.damaged_records = looked  # type: ignore[method-assign]
        fixture.life.begin(Started(1))
        fixture.life.offer(message("look"))
        await settle()
        assert fixture.witness.died == [EXIT_STORAGE_DAMAGED]

    asyncio.run(scene())


def test_a_life_that_has_ended_touches_its_storage_no_more() -> None:
    async def scene() -> None:
        fixture = Fixture(lambda event, _: [VerifyStorage()] if event == message("look") else [])
        looked: list[int] = []

        def looking() -> Iterator[str | None]:
            for number in range(20):
                looked.append(number)
                yield None

        fixture.storage.damaged_records = looking  # type: ignore[method-assign]
        fixture.life.begin(Started(1))
        fixture.life.offer(message("look"))
        await settle()
        fixture.life.end()
        before = len(looked)
        assert 0 < before < 20
        fixture.life.offer(message("late"))
        await settle()
        assert (len(looked), fixture.life.counters["inputs"]) == (before, 2)
        assert fixture.witness.died == []

    asyncio.run(scene())

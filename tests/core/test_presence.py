"""A sign of life: when it is shown, and when again, by a clock of its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast

import pytest

from adapters.terminal.adapter import TerminalAdapter
from bot.lease import Lease
from bot.messages import Address
from bot.presence import AGAIN_SECONDS, FIRST_STATUS_SECONDS, SILENT_SECONDS, Presence
from storage.records import Claim
from storage.turns import Turns
from tests.virtual_time import run

PLACE = Address("terminal", "terminal", "chat", "1")
CLAIM = Claim(1, "k", 1, PLACE, "1", True, True, 0, "w", 1, 0, 2**62, 0)
FADES_AFTER = 90.0


class Shown(TerminalAdapter):
    """Notes when a status is shown, and how that ends: as `known` says, after `takes` seconds."""

    status_seconds = FADES_AFTER

    def __init__(self, known: bool | None, takes: float) -> None:
        super().__init__("ada", "1")
        self.known, self.takes = known, takes
        self.at: list[float] = []

    async def show_status(self, address: Address, text: str) -> bool | None:  # type: ignore[override]
        self.at.append(round(asyncio.get_running_loop().time(), 3))
        await asyncio.sleep(self.takes)
        return self.known


@dataclass
class Told:
    """When a status was shown, and what was said instead of one."""

    at: list[float]
    said: list[str]


def turn(known: bool | None, *, takes: float = 0.0, reading: float, asking: float) -> Told:
    """A turn that reads for so many seconds and then waits for the model."""

    async def scene() -> Told:
        adapter, said = Shown(known, takes), list[str]()
        presence = Presence(adapter, Lease(CLAIM, cast(Turns, None), 60.0))
        await presence.during(asyncio.sleep(reading))
        running = asyncio.create_task(presence.run(said.append))
        await asyncio.sleep(asking)
        await presence.end()
        await running
        return Told(adapter.at, said)

    return run(scene())


def test_what_is_answered_at_once_has_no_status() -> None:
    assert turn(True, reading=0.1, asking=0.1).at == []


@pytest.mark.parametrize("reading", [0.0, 0.2, 0.5])
def test_the_first_is_counted_from_the_question(reading: float) -> None:
    assert turn(True, reading=reading, asking=5.0).at == [FIRST_STATUS_SECONDS]


def test_it_is_shown_again_before_it_fades() -> None:
    assert turn(True, reading=0.5, asking=100.0).at == [FIRST_STATUS_SECONDS, FIRST_STATUS_SECONDS + FADES_AFTER]


@pytest.mark.parametrize("known", [False, None])
def test_one_that_could_not_be_shown_is_not_tried_again_at_once(known: bool | None) -> None:
    assert turn(known, reading=0.5, asking=5.0).at == [FIRST_STATUS_SECONDS]
    assert turn(known, reading=0.5, asking=11.0).at[1] == pytest.approx(FIRST_STATUS_SECONDS + AGAIN_SECONDS, abs=0.5)


def test_one_that_was_under_way_as_the_question_had_been_read_is_not_repeated() -> None:
    assert turn(True, takes=0.3, reading=0.5, asking=5.0).at == [FIRST_STATUS_SECONDS]


def test_where_there_is_none_a_sentence_says_it_once() -> None:
    told = turn(False, reading=0.5, asking=3 * SILENT_SECONDS)
    assert len(told.said) == 1
    assert turn(True, reading=0.5, asking=3 * SILENT_SECONDS).said == []

"""Whatever reaches a running worker over its sockets, the next question is answered, nothing stays behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import discord_frames, slack_frames
from tests.fuzz.arena import Arena
from tests.fuzz.budget import WIRE_BATCH, count, examples

FEW = 3
"""Batches of a quick run."""


@pytest.fixture
def arena() -> Iterator[Arena]:
    """A worker at work."""
    with Arena() as running:
        yield running


def test_no_frame_of_slacks_stops_the_worker(arena: Arena) -> None:
    @examples(0.1 / WIRE_BATCH, quick=FEW, shrink=False)
    @given(st.lists(slack_frames.frames(arena.slack), min_size=WIRE_BATCH, max_size=WIRE_BATCH))
    def storm(frames: list[str | bytes]) -> None:
        arena.run(arena.to_slack(frames))
        arena.run(arena.calm())
        count("Slack frames, over the wire", len(frames))

    storm()


def test_no_frame_of_discords_stops_the_worker(arena: Arena) -> None:
    frame: st.SearchStrategy[Any] = st.one_of(
        discord_frames.dispatches(arena.discord),
        discord_frames.dispatches(arena.discord),
        discord_frames.raw_frames(arena.discord),
    )

    @examples(0.1 / WIRE_BATCH, quick=FEW, shrink=False)
    @given(st.lists(frame, min_size=WIRE_BATCH, max_size=WIRE_BATCH))
    def storm(frames: list[str | bytes | tuple[str, Any]]) -> None:
        arena.run(arena.to_discord(frames))
        arena.run(arena.calm())
        count("Discord frames, over the wire", len(frames))

    storm()

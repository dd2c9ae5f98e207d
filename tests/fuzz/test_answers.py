"""Whatever the platforms and the model answer to a running worker, its turns end and the next question is answered."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import app
from bot.backend.config import BackendConfig
from emulators.faults import Fault
from tests.fuzz import rest_answers
from tests.fuzz.arena import Arena
from tests.fuzz.budget import WIRE_BATCH, count, examples
from tests.fuzz.model_streams import KEEPS_THE_KEY, STATUSES, TYPES, error_bodies, streams, written
from tests.fuzz.raw_model import Raw
from tests.fuzz.spoiling import MARK

FEW = 2
"""Batches of a quick run."""


@pytest.fixture
def arena() -> Iterator[Arena]:
    """A worker at work."""
    with Arena() as running:
        yield running


@pytest.fixture
def moody(monkeypatch: pytest.MonkeyPatch) -> Iterator[Arena]:
    """A worker whose model answers byte by byte what it is told to, and whose breaker opens for a moment at a time."""
    monkeypatch.setattr(app, "BackendConfig", partial(BackendConfig, breaker_open_for=0.5, breaker_open_cap=1.0))
    with Arena(model="raw", PARLEY_OPENAI_PATIENCE="2", PARLEY_OPENAI_IDLE_TIMEOUT="2") as running:
        yield running


Batch = list[tuple[str, Fault]]


def _batches(answers: st.SearchStrategy[tuple[str, Fault]]) -> st.SearchStrategy[Batch]:
    return st.lists(answers, min_size=WIRE_BATCH // 3, max_size=WIRE_BATCH // 3)


def test_no_answer_of_slacks_stops_the_worker(arena: Arena) -> None:
    @examples(0.025 / (WIRE_BATCH // 3), quick=FEW, shrink=False)
    @given(_batches(rest_answers.to_slack(arena.slack)))
    def storm(batch: Batch) -> None:
        for method, fault in batch:
            arena.order("slack", method, fault)
        if any(method == "apps.connections.open" for method, _ in batch):
            arena.run(_refresh_slack(arena))
        for _ in range(3):
            arena.run(arena.ask_in_the_storm("slack", f"why? {MARK}"))
        arena.run(arena.settle())
        if any(method == "chat.postMessage" and fault.kind == "answer" for method, fault in batch):
            arena.sweep_statuses()
        arena.run(arena.calm())
        count("Slack answers, over the wire", len(batch))

    storm()


async def _refresh_slack(arena: Arena) -> None:
    """Have the worker ask for a new socket; a cut one would be missed for as long as flapping is met with patience."""
    await arena.stage.slack.disconnect("refresh_requested", close=False)


def test_no_answer_of_discords_stops_the_worker(arena: Arena) -> None:
    @examples(0.025 / (WIRE_BATCH // 3), quick=FEW, shrink=False)
    @given(_batches(rest_answers.to_discord(arena.discord)))
    def storm(batch: Batch) -> None:
        for route, fault in batch:
            arena.order("discord", route, fault)
        if any(route == "GET /gateway/bot" for route, _ in batch):
            arena.run(arena.stage.discord.drop_gateway(4009))
        for _ in range(2):
            arena.run(arena.ask_in_the_storm("discord", f"why? {MARK}"))
        arena.run(arena.settle())
        arena.run(arena.calm())
        count("Discord answers, over the wire", len(batch))

    storm()


@st.composite
def _raw(draw: st.DrawFn) -> Raw:
    """One answer of the model's server; none that refuses the key, which is then set aside for minutes."""
    status = draw(st.sampled_from([status for status in STATUSES if status not in {401, 403}]))
    kind = draw(st.sampled_from(TYPES))
    after = draw(st.sampled_from([None, "0", "0.1", "soon", "-1", "Mon, 23 Nov 2026 00:00:00 GMT"]))
    if status == 200:
        return Raw(draw(streams()), 200, kind, after, cut=draw(st.booleans()))
    return Raw([written(draw(error_bodies(KEEPS_THE_KEY)))], status, kind, after)


def test_no_answer_of_the_models_stops_the_worker(moody: Arena) -> None:
    @examples(0.05 / (WIRE_BATCH // 3), quick=FEW, shrink=False)
    @given(st.lists(_raw(), min_size=WIRE_BATCH // 3, max_size=WIRE_BATCH // 3))
    def storm(answers: list[Raw]) -> None:
        moody.model.ordered.extend(answers)
        for platform in ("slack", "discord"):
            moody.run(moody.ask_in_the_storm(platform, f"why? {MARK}"))
        moody.run(moody.settle())
        moody.run(moody.calm())
        count("model answers, over the wire", len(answers))

    storm()

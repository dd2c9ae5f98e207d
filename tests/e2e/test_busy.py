"""Many at once, under the limits that the platforms publish: nobody refused, nobody kept waiting."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest

from tests.e2e.load import Load, percentile, publish_limits
from tests.e2e.stage import stage


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("platform", "channels", "streams"),
    [
        pytest.param("slack", 4, "true", id="slack"),
        pytest.param("slack", 4, "false", id="slack without streams"),
        pytest.param("discord", 2, "true", id="discord"),
    ],
)
async def test_forty_questions_in_twenty_seconds_are_answered_whole_soon_and_without_a_refusal(
    tmp_path: Path, platform: str, channels: int, streams: str
) -> None:
    async with stage(tmp_path, PARLEY_SLACK_STREAMS=streams) as scene:
        publish_limits(scene)
        load = Load(scene, platform)
        async with scene.worker():
            await load.ask(40, 20.0, channels)
        assert load.refused() == []
        assert scene.complaints() == []
    assert len(load.shown()) == 40, "each answer is one message"
    # Model, platform and bot share this process: where the machine is late, each of the steps from one to the next is.
    allowed = 10 * load.machine_delay
    assert median(q.first_words_after for q in load.questions) <= 2.5 + allowed
    assert percentile([q.whole_after for q in load.questions], 95) <= 2.0 + allowed


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_a_lone_answer_shows_its_first_words_soon_and_grows(tmp_path: Path, platform: str) -> None:
    async with stage(tmp_path) as scene:
        publish_limits(scene)
        load = Load(scene, platform)
        async with scene.worker():
            await load.ask(1, 1.0, 1)
        assert load.refused() == []
        assert scene.complaints() == []
    [one] = load.questions
    allowed = 10 * load.machine_delay
    assert one.first_words_after <= 2.5 + allowed
    assert one.whole_after <= 2.0 + allowed
    assert one.growth >= 3, "the first words, and twice more of them, before the whole"

"""Fixtures: a stage per test, judged at its end."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.stage import Stage, stage
from tests.e2e.talk import Talk


@pytest.fixture
async def on_stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """The three emulators with an empty database; nothing the bot sent may be off protocol."""
    async with stage(tmp_path) as scene:
        yield scene
        assert scene.complaints() == []


@pytest.fixture(params=["slack", "discord"])
def talk(on_stage: Stage, request: pytest.FixtureRequest) -> Talk:
    """A conversation on that stage, on each platform."""
    return Talk(on_stage, request.param)

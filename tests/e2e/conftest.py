"""Fixtures: a stage per test, judged at its end."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.stage import Stage, stage


@pytest.fixture
async def on_stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """The three emulators with an empty database; nothing the bot sent may be off protocol."""
    async with stage(tmp_path) as scene:
        yield scene
        assert scene.complaints() == []

"""The emulated OpenAI, whose every request is held against what OpenAI publishes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from emulators.openai import OpenAIService
from tests.backend.asking import KEY, SECOND
from tests.contract import off_contract


@pytest.fixture
async def service() -> AsyncIterator[OpenAIService]:
    async with OpenAIService(keys=(KEY, SECOND), limits="none") as running:
        yield running
        assert off_contract(running.requests) == []
        assert running.faults.pending == 0
        await running.wait_for(lambda: not running.open_streams)

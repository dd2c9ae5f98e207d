"""Fixtures of the Slack adapter's tests: a workspace that must have nothing to complain of, and a sink."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from emulators.slack import SlackWorkspace, Timing
from tests.secrecy import Planted, leaks, overhearing
from tests.slack.stage import RecordingSink, off_contract


@pytest.fixture
async def slack() -> AsyncIterator[SlackWorkspace]:
    timing = Timing(ack_deadline=1.0, redelivery=(0.02, 0.1, 0.3))
    with overhearing() as heard:
        async with SlackWorkspace(timing=timing, limits="none") as workspace:
            yield workspace
            assert leaks(heard.text, Planted().add(workspace)) == []
            assert workspace.complaints == []
            assert off_contract(workspace) == []


@pytest.fixture
async def sink() -> RecordingSink:
    return RecordingSink()

"""The waits themselves: reading what a provider names, backing off, and one key's pace."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.backend.limiter import CALM, GAP, Pace
from bot.backend.waits import backoff, not_before, retry_after

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:07 GMT"}, 7.0),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:07 -0000"}, 7.0),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_what_a_provider_names_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@given(st.integers(1, 5000))
def test_backing_off_doubles_up_to_its_cap(attempt: int) -> None:
    assert 0.0 <= backoff(attempt, 0.5, 20.0) <= min(20.0, 0.5 * 2.0 ** min(attempt - 1, 30))


def test_backing_off_uses_the_whole_range() -> None:
    waits = [backoff(3, 0.5, 20.0) for _ in range(500)]
    assert min(waits) < 0.2
    assert max(waits) > 1.8


@given(st.floats(0.0, 1000.0))
def test_a_named_wait_is_only_ever_lengthened_and_a_little(seconds: float) -> None:
    assert seconds <= not_before(seconds) <= seconds + 0.25


def test_a_pause_holds_everybody_and_then_they_go_one_by_one() -> None:
    pace = Pace()
    assert pace.wait(0.0) == 0.0
    pace.leave(0.0)
    assert pace.wait(0.0) == 0.0
    pace.pause(10.0)
    pace.pause(5.0)
    assert pace.wait(4.0) == 6.0
    pace.leave(10.0)
    assert pace.wait(10.0) == pytest.approx(GAP)
    pace.leave(10.0 + GAP)
    assert pace.wait(10.0 + GAP) == pytest.approx(GAP)
    pace.leave(10.0 + GAP + CALM + 1)
    assert pace.wait(10.0 + GAP + CALM + 1) == 0.0

"""The two events of a mention: which are taken for one, and what becomes of the second."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.slack import twins
from adapters.slack.twins import Twins

ME = "UBOT"


def envelope(kind: str = "app_mention", *, team: Any = "T1", **fields: Any) -> dict[str, Any]:
    event = {"type": kind, "channel": "C1", "ts": "100.1", "user": "U1", "text": f"<@{ME}> hello", **fields}
    return {"payload": {"team_id": team, "event": event}}


class Handled:
    """Takes what it is handed; `answers` are what it says to the next ones, `{}` after them."""

    def __init__(self, *answers: dict[str, Any] | Exception | None) -> None:
        self.seen: list[dict[str, Any]] = []
        self.answers = list(answers)
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, envelope: dict[str, Any]) -> dict[str, Any] | None:
        self.seen.append(envelope)
        await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_the_second_is_acknowledged_unseen() -> None:
    known, handled = Twins(ME), Handled()
    for kind in ("app_mention", "message", "message"):
        assert await known.once(envelope(kind), handled) == {}
    assert len(handled.seen) == 1


@pytest.mark.parametrize(
    "different",
    [
        {"ts": "100.2"},
        {"thread_ts": "99.1"},
        {"channel": "C2"},
        {"user": "U2"},
        {"bot_id": "B1"},
        {"text": f"<@{ME}> hello again"},
        {"text": "hello"},
        {"text": None},
        {"subtype": "file_share"},
        {"files": [{"id": "F1"}]},
        {"attachments": [{"text": "quoted"}]},
        {"edited": {"user": "U1", "ts": "100.3"}},
        {"team": "T2"},
        {"team": 7},
        {"kind": "reaction_added"},
    ],
)
async def test_what_tells_something_else_is_looked_at(different: dict[str, Any]) -> None:
    for first, second in ((envelope(), envelope(**different)), (envelope(**different), envelope())):
        known, handled = Twins(ME), Handled()
        await known.once(first, handled)
        await known.once(second, handled)
        assert handled.seen == [first, second]


@pytest.mark.parametrize("payload", [None, [], {}, {"event": None}, {"event": {"type": "message"}}])
async def test_what_is_no_message_is_looked_at(payload: object) -> None:
    known, handled = Twins(ME), Handled()
    for _ in range(2):
        await known.once({"payload": payload}, handled)
    assert len(handled.seen) == 2


async def test_the_second_waits_for_the_first() -> None:
    known, handled = Twins(ME), Handled()
    handled.gate.clear()
    both = [asyncio.create_task(known.once(envelope(kind), handled)) for kind in ("message", "app_mention")]
    await asyncio.wait(both, timeout=0.05)
    assert not any(task.done() for task in both)
    handled.gate.set()
    assert await asyncio.gather(*both) == [{}, {}]
    assert len(handled.seen) == 1


@pytest.mark.parametrize("first", [None, RuntimeError("a bug")])
async def test_where_the_first_is_not_stored_the_second_is_looked_at(first: Exception | None) -> None:
    known, handled = Twins(ME), Handled(first)
    handled.gate.clear()
    both = [asyncio.create_task(known.once(envelope(kind), handled)) for kind in ("message", "app_mention")]
    await asyncio.sleep(0)
    handled.gate.set()
    assert (await asyncio.gather(*both, return_exceptions=True))[1] == {}
    assert len(handled.seen) == 2


async def test_where_the_first_is_given_up_the_second_is_looked_at() -> None:
    known, handled = Twins(ME), Handled()
    handled.gate.clear()
    given_up, other = (asyncio.create_task(known.once(envelope(kind), handled)) for kind in ("message", "app_mention"))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait([given_up])
    handled.gate.set()
    assert await other == {}
    assert len(handled.seen) == 2


async def test_only_the_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twins, "MOST_REMEMBERED", 3)
    known, handled = Twins(ME), Handled()
    for number in range(5):
        await known.once(envelope(ts=f"100.{number}"), handled)
    for number in (4, 3, 2, 0):
        await known.once(envelope("message", ts=f"100.{number}"), handled)
    assert [each["payload"]["event"]["ts"] for each in handled.seen[5:]] == ["100.0"]

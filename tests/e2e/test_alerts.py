"""What the admins are told of, how often, and that nobody's answer waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest

from bot import alerts
from emulators.faults import Fault
from emulators.openai import errors
from tests.e2e.asking import Corner, logged
from tests.e2e.stage import Stage

CHAT = "/chat/completions"
OPEN = {"slack": "conversations.open", "discord": "POST /users/@me/channels"}
POST = {"slack": "chat.postMessage", "discord": "POST /channels/{channel_id}/messages"}
OTHER = {"slack": "discord", "discord": "slack"}
Entries = list[MutableMapping[str, Any]]


@pytest.fixture(params=["slack", "discord"])
def corner(on_stage: Stage, request: pytest.FixtureRequest) -> Corner:
    corner = Corner(on_stage, request.param)
    on_stage.extra["PARLEY_ADMINS"] = f"{corner.admin('slack')}, {corner.admin('discord')}, nobody's id"
    return corner


def events(entries: Entries, name: str) -> Entries:
    return [entry for entry in entries if entry["event"] == name]


async def until(holds: Callable[[], Any], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


async def test_an_empty_account_is_told_once_for_many_askers_and_restarts_until_it_worked_in_between(
    corner: Corner,
) -> None:
    openai = corner.openai
    openai.refuse_key("sk-emulated-key", errors.insufficient_quota())
    with logged() as entries:
        async with corner.stage.worker() as worker:
            for _ in range(3):
                await corner.ask()
            await corner.answered(worker, 3)
            [said] = await corner.until_told(1)
            await corner.ask()
            await corner.answered(worker, 4)
        async with corner.stage.worker() as worker:
            await corner.ask()
            await corner.answered(worker, 5)
        assert len(openai.calls) == 5
        assert [len(corner.told(platform)) for platform in OPEN] == [1, 1]
        assert not events(entries, "trouble_over")
        openai.accept_key("sk-emulated-key")
        async with corner.stage.worker() as worker:
            await corner.ask()
            assert "quota" not in (await corner.answered(worker, 6))[-1]
            await until(lambda: events(entries, "trouble_over"))
            openai.refuse_key("sk-emulated-key", errors.insufficient_quota())
            await corner.ask()
            await corner.answered(worker, 7)
            await corner.until_told(2)
    assert [len(corner.told(platform)) for platform in OPEN] == [2, 2]
    assert [entry["subject"] for entry in events(entries, "trouble_over")] == ["key key-1"]
    assert [entry["subject"] for entry in entries if entry.get("tells_admin")] == ["key key-1"] * 2
    for part in ("key-1", "OPENAI_API_KEY", "quota", "Add credit", "Since 20", "UTC", "(ref "):
        assert part in said
    assert "sk-emulated-key" not in corner.sent()


async def test_workers_beside_each_other_tell_it_once(corner: Corner) -> None:
    corner.openai.refuse_key("sk-emulated-key", errors.insufficient_quota())
    async with corner.stage.worker() as one, corner.stage.worker() as two:
        for _ in range(6):
            await corner.ask()
        await corner.answered(one, 6)
        await corner.until_told(1)
        for worker in (one, two):
            await worker.desk.alerts.settle(30)
    assert [len(corner.told(platform)) for platform in OPEN] == [1, 1]


async def test_a_place_that_takes_nothing_is_told_by_its_name(corner: Corner) -> None:
    never = {
        "slack": Fault(status=200, body={"ok": False, "error": "restricted_action"}),
        "discord": Fault(status=403, body={"code": 50013, "message": "Missing Permissions"}),
    }[corner.platform]
    corner.place.faults.add(POST[corner.platform], never, never)
    channel = corner.general.id if corner.platform == "slack" else str(corner.studio.id)
    with logged() as entries:
        async with corner.stage.worker() as worker:
            await corner.ask()
            [said] = await corner.until_told(1)
            await corner.ask()
            await corner.answered(worker)
            await until(lambda: events(entries, "trouble_over"))
    assert channel in said and "doesn't take my answers" in said
    [refused] = events(entries, "delivery_refused")
    assert f"(ref {refused['ref']})" in said


async def test_a_token_refused_while_running_is_told_where_the_admin_can_still_be_reached(corner: Corner) -> None:
    corner.stage.extra["PARLEY_SHUTDOWN_GRACE"] = "1"
    refused = {
        "slack": Fault(status=200, body={"ok": False, "error": "token_revoked"}),
        "discord": Fault(status=401, body={"code": 0, "message": "401: Unauthorized"}),
    }[corner.platform]
    async with corner.stage.worker():
        corner.place.faults.add(POST[corner.platform], refused)
        await corner.ask()
        [said] = await corner.until_told(1, OTHER[corner.platform])
    assert f"{corner.platform.upper()}_BOT_TOKEN" in said and "is refused" in said
    assert corner.slack.bot_token not in corner.sent() and corner.discord.token not in corner.sent()


async def test_a_direct_message_whose_confirmation_was_lost_is_looked_for_and_not_said_again(corner: Corner) -> None:
    corner.stage.extra["PARLEY_ADMINS"] = corner.admin()
    corner.openai.refuse_key("sk-emulated-key", errors.insufficient_quota())
    corner.place.faults.add(OPEN[corner.platform], Fault(status=503, body="unavailable"), Fault("lost_reply"))
    # The first post is the sentence in the channel, and nothing happens to it.
    corner.place.faults.add(POST[corner.platform], Fault("delay"), Fault("lost_reply"))
    with logged() as entries:
        async with corner.stage.worker() as worker:
            await corner.ask()
            await corner.answered(worker)
            await until(lambda: events(entries, "admin_told"))
    assert len(corner.told()) == 1
    assert corner.place.faults.pending == 0


async def test_no_answer_waits_for_an_admin_who_is_slow_to_reach(corner: Corner) -> None:
    corner.openai.faults.add(CHAT, errors.model_not_found("gpt-5.4-mini"))
    corner.openai.script("in time")
    corner.place.faults.add(OPEN[corner.platform], Fault("delay", seconds=600.0))
    with logged() as entries:
        async with corner.stage.worker() as worker:
            await corner.ask()
            await corner.answered(worker)
            await until(lambda: events(entries, "admin_needed"))
            await corner.ask()
            assert (await corner.answered(worker, 2))[-1] == "in time"
    assert corner.told() == []
    assert events(entries, "alerts_untold")


async def test_without_the_scope_for_it_the_log_alone_tells_and_slack_is_not_asked_again(on_stage: Stage) -> None:
    corner = Corner(on_stage, "slack")
    on_stage.extra["PARLEY_ADMINS"] = corner.admin()
    on_stage.slack.scopes.discard("im:write")
    on_stage.openai.refuse_key("sk-emulated-key", errors.insufficient_quota())
    with logged() as entries:
        async with on_stage.worker() as worker:
            for n in range(3):
                await corner.ask()
                await corner.answered(worker, n + 1)
            await until(lambda: events(entries, "admin_not_reached"))
    assert [entry["code"] for entry in events(entries, "admin_not_reached")] == ["missing_scope"]
    assert len([entry for entry in entries if entry.get("tells_admin")]) == 1
    assert sum(r.path.endswith("conversations.open") for r in on_stage.slack.requests) == 1


async def test_an_admin_nobody_could_be_reached_for_is_told_with_the_next_failure(
    corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "REACH_FOR_SECONDS", 0.2)
    corner.stage.extra["PARLEY_ADMINS"] = corner.admin()
    corner.openai.refuse_key("sk-emulated-key", errors.insufficient_quota())
    away = [Fault(status=503, body="unavailable")] * 20
    corner.place.faults.add(OPEN[corner.platform], *away)
    with logged() as entries:
        async with corner.stage.worker() as worker:
            await corner.ask()
            await until(lambda: events(entries, "admin_not_reached"))
            await worker.desk.alerts.settle(30)
            corner.place.faults.clear()
            await corner.ask()
            await corner.until_told(1)
    assert len(corner.told()) == 1


async def test_a_platform_that_ends_for_good_is_told_before_the_worker_ends(on_stage: Stage) -> None:
    corner = Corner(on_stage, "slack")
    on_stage.extra["PARLEY_ADMINS"] = corner.admin()
    async with on_stage.process() as worker:
        on_stage.discord.reset_token()
        await on_stage.discord.drop_gateway(4004)
        async with asyncio.timeout(60):
            assert await worker.process.wait() == 2
    [said] = corner.told()
    assert "DISCORD_BOT_TOKEN" in said
    on_stage.discord.complaints.clear()

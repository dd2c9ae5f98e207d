"""What the adapter sends: closed to pings, repeatable, and honest about what became of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.discord import rest
from bot import fencing
from bot.capabilities import (
    Deletes,
    FindsReplies,
    FollowsReplies,
    KnowsPlaces,
    ReachesPeople,
    ReadsMissed,
    RepeatsSafely,
    ShowsStatus,
    Trace,
)
from bot.errors import (
    DeliveryDelayed,
    DeliveryFailure,
    DeliveryRefused,
    DeliveryUncertain,
    MessageGone,
    StandsUnchanged,
    StorageFailed,
)
from bot.messages import Address, PartKey, Reply
from emulators.discord import DiscordServer, Permission
from emulators.faults import Fault
from tests.discord.support import QUICK, address_of, bodies, contents, load_contract, needs_contract, running

POST = "POST /channels/{channel_id}/messages"
PATCH = "PATCH /channels/{channel_id}/messages/{message_id}"
READ = "GET /channels/{channel_id}/messages"
KEY = PartKey("discord:1:2:3", 1)


def unlimited() -> DiscordServer:
    """A server that limits nothing."""
    return DiscordServer(timing=QUICK, limits="none")


async def test_the_capabilities_are_those_of_discord() -> None:
    async with unlimited() as server, running(server) as (adapter, _):
        assert isinstance(adapter, ShowsStatus)
        assert isinstance(adapter, Deletes)
        assert isinstance(adapter, ReachesPeople)
        assert isinstance(adapter, FollowsReplies)
        assert isinstance(adapter, KnowsPlaces)
        assert isinstance(adapter, FindsReplies)
        assert isinstance(adapter, ReadsMissed)
        assert isinstance(adapter, RepeatsSafely)
        assert 60 <= adapter.repeat_seconds <= 120
        assert 0 < adapter.status_seconds < 10


async def test_an_answer_replies_without_a_ping_and_without_previews() -> None:
    async with unlimited() as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        question = await server.say(ada, channel, "why?")
        async with running(server) as (adapter, _):
            sent = await adapter.send(
                address_of(channel), Reply("see https://a.example"), KEY, reply_to=str(question.id)
            )
    (answer,) = server.bot_messages(channel)
    assert str(answer.id) == sent
    assert answer.referenced is question
    assert answer.unfurled == []
    assert server.bot_pings == []
    assert server.complaints == []


async def test_a_call_whose_lease_ran_out_on_its_way_is_not_sent() -> None:
    held = [True]
    async with unlimited() as server:
        channel = server.add_channel("general")
        async with running(server) as (adapter, _):
            fencing.calls_only_while(lambda: held[0])
            sent = await adapter.send(address_of(channel), Reply("one"), KEY)
            held[0] = False
            with pytest.raises(DeliveryDelayed):
                await adapter.edit(address_of(channel), sent, Reply("two"))
            with pytest.raises(DeliveryDelayed):
                await adapter.send(address_of(channel), Reply("three"), PartKey(KEY.turn, 2))
            held[0] = True
            await adapter.edit(address_of(channel), sent, Reply("four"))
    assert contents(server.bot_messages(channel)) == ["four"]
    assert len([request for request in server.requests if request.method in {"POST", "PATCH"}]) == 2


async def test_a_message_is_prepared_before_and_sent_once_it_is_stored_that_it_will_be() -> None:
    loop = asyncio.get_running_loop()
    async with unlimited() as server:
        channel = server.add_channel("general")
        async with running(server) as (adapter, _):
            stored: asyncio.Future[None] = loop.create_future()
            sending = asyncio.create_task(adapter.send_once(stored, address_of(channel), Reply("one"), KEY))
            await asyncio.sleep(0.1)
            assert [request for request in server.requests if request.method == "POST"] == []
            stored.set_result(None)
            assert await sending == str(server.bot_messages(channel)[0].id)
            refused: asyncio.Future[None] = loop.create_future()
            second = asyncio.create_task(
                adapter.send_once(refused, address_of(channel), Reply("two"), PartKey(KEY.turn, 2))
            )
            await asyncio.sleep(0.1)
            refused.set_exception(StorageFailed("the disk is full"))
            with pytest.raises(StorageFailed):
                await second
            await adapter.send(address_of(channel), Reply("three"), PartKey(KEY.turn, 3))
    assert contents(server.bot_messages(channel)) == ["one", "three"]


async def test_nobody_is_pinged_but_those_the_answer_may_name() -> None:
    async with unlimited() as server:
        channel, ada, bob = server.add_channel("general"), server.add_user("ada"), server.add_user("bob")
        role = server.add_role("crew")
        text = f"@everyone @here <@&{role.id}> <@{bob.id}> and @ada"
        async with running(server) as (adapter, _):
            sent = await adapter.send(address_of(channel), Reply(text), KEY)
            await adapter.edit(address_of(channel), sent, Reply(text + "!"))
            assert server.bot_pings == []
            await adapter.send(address_of(channel), Reply("thanks @ada", {"ada": str(ada.id)}), PartKey("t", 2))
    assert [(ping.kind, ping.target) for ping in server.bot_pings] == [("user", ada.id)]
    for body in bodies(server, "POST", "/messages"):
        assert body["allowed_mentions"]["parse"] == []


async def test_a_question_that_is_gone_is_answered_all_the_same() -> None:
    async with unlimited() as server:
        channel = server.add_channel("general")
        async with running(server) as (adapter, _):
            await adapter.send(address_of(channel), Reply("here"), KEY, reply_to="123456789")
    assert contents(server.bot_messages(channel)) == ["here"]


async def test_where_the_bot_may_not_read_back_it_answers_without_replying() -> None:
    async with unlimited() as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        question = await server.say(ada, channel, "why?")
        server.deny(channel, Permission.READ_MESSAGE_HISTORY)
        async with running(server) as (adapter, _):
            await adapter.send(address_of(channel), Reply("here"), KEY, reply_to=str(question.id))
    (answer,) = server.bot_messages(channel)
    assert (answer.content, answer.referenced) == ("here", None)
    first, second = bodies(server, "POST", "/messages")
    assert first.pop("message_reference")["message_id"] == str(question.id)
    assert first == second


UNKNOWN_REFERENCE = {
    "message": "Invalid Form Body",
    "code": 50035,
    "errors": {"message_reference": {"_errors": [{"code": "REPLIES_UNKNOWN_MESSAGE", "message": "Unknown message"}]}},
}
TOO_LONG = {
    "message": "Invalid Form Body",
    "code": 50035,
    "errors": {"content": {"_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer"}]}},
}


async def test_a_refused_reference_is_left_out_once_and_no_other_refusal_is_repeated() -> None:
    async with unlimited() as server:
        channel = server.add_channel("general")
        where = address_of(channel)
        unknown, too_long = (Fault("answer", status=400, body=body) for body in (UNKNOWN_REFERENCE, TOO_LONG))
        async with running(server) as (adapter, _):
            server.faults.add(POST, unknown)
            await adapter.send(where, Reply("here"), KEY, reply_to="1")
            assert ["message_reference" in body for body in bodies(server, "POST", "/messages")] == [True, False]
            server.faults.add(POST, unknown, unknown)
            with pytest.raises(DeliveryRefused, match="50035"):
                await adapter.send(where, Reply("again"), PartKey("t", 2), reply_to="1")
            assert len(bodies(server, "POST", "/messages")) == 4
            server.faults.add(POST, too_long)
            with pytest.raises(DeliveryRefused, match="50035"):
                await adapter.send(where, Reply("long"), PartKey("t", 3), reply_to="1")
            server.faults.add(POST, unknown)
            with pytest.raises(DeliveryRefused, match="50035"):
                await adapter.send(where, Reply("no reply"), PartKey("t", 4))
            assert len(bodies(server, "POST", "/messages")) == 6
    assert contents(server.bot_messages(channel)) == ["here"]


async def test_a_token_refused_while_running_delays_everything_and_is_told_to_the_core() -> None:
    unauthorized = Fault("answer", status=401, body={"message": "401: Unauthorized", "code": 0})
    async with unlimited() as server:
        channel = server.add_channel("general")
        where = address_of(channel)
        async with running(server) as (adapter, desk):
            sent = await adapter.send(where, Reply("one"), KEY)
            calls: list[tuple[str, Callable[[], Awaitable[object]]]] = [
                (POST, lambda: adapter.send(where, Reply("two"), PartKey("t", 2))),
                (PATCH, lambda: adapter.edit(where, sent, Reply("two"))),
                ("DELETE /channels/{channel_id}/messages/{message_id}", lambda: adapter.delete(where, sent)),
                ("GET /channels/{channel_id}/messages", lambda: adapter.fetch_history(where)),
            ]
            for route, call in calls:
                with capture_logs() as logs:
                    server.faults.add(route, unauthorized)
                    with pytest.raises(DeliveryDelayed, match="401") as failure:
                        await call()
                    assert failure.value.retry_after == 30.0
                assert server.token not in str(logs)
                await adapter.edit(where, sent, Reply("works"))
    assert desk.refused_tokens == [("discord", "DISCORD_BOT_TOKEN")] * len(calls)


async def test_a_person_is_written_to_alone() -> None:
    async with unlimited() as server:
        ada, shy = server.add_user("ada"), server.add_user("shy")
        shy.accepts_dms = False
        async with running(server) as (adapter, _):
            assert adapter.is_person(str(ada.id))
            assert not any(adapter.is_person(other) for other in ("", "U012AB3CD", "12 34", "-5", "٣"))
            alone = await adapter.direct(str(ada.id))
            assert alone == await adapter.direct(str(ada.id)) == address_of(server.open_dm(ada))
            await adapter.send(alone, Reply("only you"), KEY)
            with pytest.raises(DeliveryRefused, match="50007"):
                await adapter.send(await adapter.direct(str(shy.id)), Reply("only you"), KEY)
            with pytest.raises(DeliveryRefused, match="10013"):
                await adapter.direct("77")
            server.faults.add("POST /users/@me/channels", Fault("answer", status=200, body=[]))
            with pytest.raises(DeliveryUncertain, match="no_channel"):
                await adapter.direct(str(ada.id))
    assert contents(server.bot_messages(server.open_dm(ada))) == ["only you"]


async def test_a_message_that_takes_no_more_edits_is_to_be_posted_anew() -> None:
    async with unlimited() as server:
        channel = server.add_channel("general")
        often = {"message": "Maximum number of edits to messages older than 1 hour reached", "code": 30046}
        async with running(server) as (adapter, _):
            sent = await adapter.send(address_of(channel), Reply("one"), KEY)
            server.faults.add(PATCH, Fault("answer", status=400, body=often))
            with pytest.raises(MessageGone, match="30046"):
                await adapter.edit(address_of(channel), sent, Reply("two"))


async def test_the_same_part_sent_twice_is_one_message() -> None:
    async with unlimited() as server:
        channel = server.add_channel("general")
        async with running(server) as (adapter, _):
            first = await adapter.send(address_of(channel), Reply("here"), KEY)
            again = await adapter.send(address_of(channel), Reply("here"), KEY)
            other = await adapter.send(address_of(channel), Reply("here"), PartKey(KEY.turn, 2))
    assert first == again != other
    assert len(server.bot_messages(channel)) == 2
    assert [m.edits for m in server.bot_messages(channel)] == [[], []]


async def test_a_lost_reply_is_repaired_by_sending_again_with_the_newest_text() -> None:
    async with unlimited() as server:
        channel = server.add_channel("general")
        server.faults.add(POST, Fault("lost_reply"))
        async with running(server) as (adapter, _):
            with pytest.raises(DeliveryUncertain):
                await adapter.send(address_of(channel), Reply("half"), KEY)
        async with running(server) as (adapter, _):  # another process, the same part
            sent = await adapter.send(address_of(channel), Reply("half and half"), KEY)
    assert contents(server.bot_messages(channel)) == ["half and half"]
    assert sent == str(server.bot_messages(channel)[0].id)


@pytest.mark.parametrize(
    ("fault", "kind", "check"),
    [
        (Fault("reset"), DeliveryUncertain, None),
        (Fault("answer", status=503, body={"message": "unavailable"}), DeliveryUncertain, "503"),
        (Fault("answer", status=520, body="<html>"), DeliveryUncertain, "520"),
        (Fault("answer", status=408), DeliveryUncertain, "408"),
        (Fault("answer", status=401, body={"message": "401: Unauthorized", "code": 0}), DeliveryDelayed, "401"),
        (Fault("answer", status=403, body={"message": "Missing Access", "code": 50001}), DeliveryRefused, "50001"),
        (Fault("answer", status=403, headers={"Content-Type": "text/html"}, body="<html>"), DeliveryUncertain, "403"),
        (Fault("answer", status=409, body={"error": "a proxy's"}), DeliveryUncertain, "409"),
        (Fault("answer", status=403, body={"message": "no", "code": 50013}), DeliveryRefused, "50013"),
        (Fault("answer", status=404, body={"message": "Unknown Channel", "code": 10003}), DeliveryRefused, "10003"),
        (Fault("answer", status=400, body={"message": "archived", "code": 50083}), DeliveryRefused, "50083"),
        (Fault("answer", status=404, body={"message": "Unknown Message", "code": 10008}), MessageGone, "10008"),
        (Fault("answer", status=200, body={"strange": True}), DeliveryUncertain, "no_id"),
        (Fault("answer", status=200, body="not an object"), DeliveryUncertain, "no_id"),
    ],
)
async def test_what_discord_says_of_a_send_decides_what_it_was(
    fault: Fault, kind: type[DeliveryFailure], check: str | None
) -> None:
    async with unlimited() as server:
        channel = server.add_channel("general")
        server.faults.add(POST, fault)
        async with running(server) as (adapter, _):
            with pytest.raises(kind) as failure:
                await adapter.send(address_of(channel), Reply("here"), KEY)
            assert type(failure.value) is kind
            assert check in {None, failure.value.code}
            assert await adapter.send(address_of(channel), Reply("here"), KEY)
    assert contents(server.bot_messages(channel)) == ["here"]


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"Via": "", "Retry-After": "7"}, {"message": "slow", "retry_after": 6.5, "global": False}, 6.5),
        ({"Via": "", "Retry-After": "7"}, "error code: 1015", 7.0),
        ({"Via": "1.1 google", "Retry-After": "90"}, {"message": "slow", "retry_after": 90.0}, 90.0),
    ],
)
async def test_a_long_rate_limit_is_handed_to_the_core_with_its_wait(
    headers: dict[str, str], body: Any, seconds: float
) -> None:
    async with unlimited() as server:
        channel = server.add_channel("general")
        server.faults.add(POST, Fault("answer", status=429, headers=headers, body=body))
        async with running(server) as (adapter, _):
            with pytest.raises(DeliveryDelayed) as failure:
                await adapter.send(address_of(channel), Reply("here"), KEY)
    assert failure.value.retry_after == pytest.approx(seconds)


async def test_a_short_rate_limit_is_waited_out() -> None:
    async with unlimited() as server:
        channel = server.add_channel("general")
        body = {"message": "slow", "retry_after": 0.2, "global": False}
        server.faults.add(POST, Fault("answer", status=429, headers={"Via": "1.1 google"}, body=body))
        async with running(server) as (adapter, _):
            began = time.monotonic()
            await adapter.send(address_of(channel), Reply("here"), KEY)
            assert time.monotonic() - began >= 0.2
    assert contents(server.bot_messages(channel)) == ["here"]


async def test_a_cancelled_wait_for_the_global_limit_does_not_close_discord_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.discord.rest.LONGEST_WAIT", 0.3)
    async with unlimited() as server:
        channel = server.add_channel("general")
        body = {"message": "slow", "retry_after": 20.0, "global": True}
        server.faults.add(POST, Fault("answer", status=429, headers={"Via": "1.1 google"}, body=body))
        async with running(server) as (adapter, _):
            sending = asyncio.create_task(adapter.send(address_of(channel), Reply("one"), KEY))
            await server.wait_for(lambda: any(r.status == 429 for r in server.requests))
            await asyncio.sleep(0.05)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            async with asyncio.timeout(3):
                await adapter.send(address_of(channel), Reply("two"), PartKey("t", 2))
    assert contents(server.bot_messages(channel)) == ["two"]


async def test_a_server_error_is_tried_again_by_the_library() -> None:
    async with unlimited() as server:
        channel = server.add_channel("general")
        server.faults.add(POST, Fault("answer", status=502))
        async with running(server) as (adapter, _):
            await adapter.send(address_of(channel), Reply("here"), KEY)
    assert contents(server.bot_messages(channel)) == ["here"]


async def test_an_answer_that_does_not_come_in_time_is_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.discord.rest.call.__defaults__", (0.2,))
    async with unlimited() as server:
        channel = server.add_channel("general")
        server.faults.add(POST, Fault("delay", seconds=0.4))
        async with running(server) as (adapter, _):
            with pytest.raises(DeliveryUncertain, match="timeout"):
                await adapter.send(address_of(channel), Reply("here"), KEY)


async def test_an_edit_changes_the_text_and_a_vanished_message_is_told() -> None:
    async with unlimited() as server:
        channel = server.add_channel("general")
        async with running(server) as (adapter, _):
            sent = await adapter.send(address_of(channel), Reply("one"), KEY)
            await adapter.edit(address_of(channel), sent, Reply("two https://a.example"))
            assert contents(server.bot_messages(channel)) == ["two https://a.example"]
            assert server.bot_messages(channel)[0].unfurled == []
            await adapter.delete(address_of(channel), sent)
            assert server.bot_messages(channel) == []
            await adapter.delete(address_of(channel), sent)
            with pytest.raises(MessageGone):
                await adapter.edit(address_of(channel), sent, Reply("three"))


async def test_threads_take_messages_also_when_asleep_but_not_when_locked() -> None:
    async with unlimited() as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        thread = await server.start_thread(ada, channel, "talk")
        async with running(server) as (adapter, _):
            await server.archive_thread(thread)
            await adapter.send(address_of(thread), Reply("awake"), KEY)
            assert not thread.archived
            await server.archive_thread(thread, locked=True)
            with pytest.raises(DeliveryRefused):
                await adapter.send(address_of(thread), Reply("no"), PartKey("t", 2))
    assert contents(server.bot_messages(thread)) == ["awake"]


async def test_what_stands_in_a_thread_that_fell_asleep_is_changed_and_deleted_all_the_same() -> None:
    async with unlimited() as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        thread = await server.start_thread(ada, channel, "talk")
        address = address_of(thread)
        async with running(server) as (adapter, _):
            sent = await adapter.send(address, Reply("one"), KEY)
            other = await adapter.send(address, Reply("to go"), PartKey(KEY.turn, 2))
            await server.archive_thread(thread)
            await adapter.edit(address, sent, Reply("two"))
            await server.archive_thread(thread)
            await adapter.set_buttons(address, sent, ("stop",))
            await server.archive_thread(thread)
            await adapter.delete(address, other)
            await server.archive_thread(thread, locked=True)
            with pytest.raises(DeliveryRefused):
                await adapter.edit(address, sent, Reply("three"))
    assert contents(server.bot_messages(thread)) == ["two"]
    assert server.complaints == []


async def test_a_message_that_is_sent_again_and_takes_no_new_text_is_known_for_the_one_that_stands() -> None:
    async with unlimited() as server:
        channel = server.add_channel("general")
        async with running(server) as (adapter, _):
            sent = await adapter.send(address_of(channel), Reply("half"), KEY)
            server.faults.add(PATCH, Fault("answer", status=403, body={"message": "no", "code": 50013}))
            with pytest.raises(StandsUnchanged) as unchanged:
                await adapter.send(address_of(channel), Reply("whole"), KEY)
    assert (unchanged.value.message_id, unchanged.value.code) == (sent, "50013")


async def test_where_an_address_gives_nothing_to_read_it_is_asked_again_before_that_is_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rest, "LOOK_AGAIN_SECONDS", 0.05)
    page = Fault("answer", status=404, headers={"Content-Type": "text/html"}, body="<html>")
    async with unlimited() as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        question = await server.say(ada, channel, "why?")
        trace = Trace(KEY, reply_to=str(question.id), after=str(question.id))
        async with running(server) as (adapter, _):
            sent = await adapter.send(address_of(channel), Reply("here"), KEY, reply_to=str(question.id))
            server.faults.add(READ, page, page)
            assert await adapter.find_replies(address_of(channel), trace) == [sent]
            server.faults.add(READ, *[page] * rest.LOOKS)
            with pytest.raises(DeliveryRefused, match="404"):
                await adapter.find_replies(address_of(channel), trace)


async def test_where_the_bot_may_not_read_nobody_says_that_its_message_is_not_there() -> None:
    async with unlimited() as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        question = await server.say(ada, channel, "why?")
        trace = Trace(KEY, reply_to=str(question.id), after=str(question.id))
        async with running(server) as (adapter, _):
            assert await adapter.find_replies(address_of(channel), trace) == []
            server.deny(channel, Permission.READ_MESSAGE_HISTORY)
            with pytest.raises(DeliveryRefused, match="nothing_to_read"):
                await adapter.find_replies(address_of(channel), trace)


async def test_a_channel_without_the_right_to_speak_refuses() -> None:
    async with unlimited() as server:
        channel = server.add_channel("general")
        server.deny(channel, Permission.SEND_MESSAGES)
        async with running(server) as (adapter, _):
            with pytest.raises(DeliveryRefused, match="50013"):
                await adapter.send(address_of(channel), Reply("here"), KEY)


async def test_typing_is_shown_and_never_hurts() -> None:
    async with unlimited() as server:
        channel = server.add_channel("general")
        async with running(server) as (adapter, _):
            await adapter.show_status(address_of(channel), "is thinking…")
            assert [typing.channel for typing in server.typing] == [channel]
            await adapter.show_status(address_of(channel), "")
            assert len(server.typing) == 1
            server.faults.add("POST /channels/{channel_id}/typing", Fault("reset"), Fault("answer", status=403))
            await adapter.show_status(address_of(channel), "is thinking…")
            await adapter.show_status(address_of(channel), "is thinking…")


async def test_typing_that_hangs_is_given_up_before_it_keeps_an_answer_waiting() -> None:
    async with unlimited() as server:
        channel = server.add_channel("general")
        server.faults.add("POST /channels/{channel_id}/typing", Fault("delay", seconds=2.5))
        async with running(server) as (adapter, _):
            began = time.monotonic()
            await adapter.show_status(address_of(channel), "is thinking…")
            assert time.monotonic() - began < 2.0
            await adapter.send(address_of(channel), Reply("hello"), KEY)
            assert time.monotonic() - began < 2.3


async def test_published_limits_are_kept_without_one_refusal() -> None:
    async with DiscordServer(timing=QUICK) as server:
        channel = server.add_channel("general")
        async with running(server) as (adapter, _):
            for n in range(4):
                sent = await adapter.send(address_of(channel), Reply(str(n)), PartKey("t", n))
                await adapter.edit(address_of(channel), sent, Reply(f"{n}, edited"))
                await adapter.show_status(address_of(channel), "is thinking…")
    assert contents(server.bot_messages(channel)) == [f"{n}, edited" for n in range(4)]
    assert all(r.status != 429 for r in server.requests)


async def test_history_comes_oldest_first_between_two_ids() -> None:
    async with unlimited() as server:
        channel, ada = server.add_channel("general"), server.add_user("ada", nick="Ada")
        said = [await server.say(ada, channel, str(n)) for n in range(250)]
        async with running(server) as (adapter, _):
            where = address_of(channel)
            await adapter.send(where, Reply("mine"), KEY)

            async def texts(**bounds: Any) -> list[str]:
                return [m.text for m in await adapter.fetch_history(where, **bounds)]

            assert await texts(limit=3) == ["248", "249", "mine"]
            assert len(await texts()) == 100
            assert len(await texts(limit=240)) == 240
            assert await texts(before=str(said[3].id)) == ["0", "1", "2"]
            assert await texts(after=str(said[247].id)) == ["248", "249", "mine"]
            assert await texts(after=str(said[10].id), before=str(said[14].id)) == ["11", "12", "13"]
            assert len(await texts(after=str(said[9].id), limit=1000)) == 241
            (own,) = await adapter.fetch_history(where, limit=1)
            assert own.author.id == adapter.describe().bot_id
            assert own.author.is_bot
            (other,) = await adapter.fetch_history(where, before=str(said[1].id))
            assert other.address == where
            with pytest.raises(DeliveryRefused):
                await adapter.fetch_history(Address("discord", "1", "2"))


async def test_a_threads_history_begins_with_the_message_it_grew_from() -> None:
    async with unlimited() as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        starter = await server.say(ada, channel, "the plan")
        thread = await server.start_thread(ada, channel, "plan", starter)
        await server.say(ada, thread, "details")
        async with running(server) as (adapter, _):
            history = await adapter.fetch_history(address_of(thread))
    assert [m.text for m in history] == ["the plan", "details"]
    assert {m.address for m in history} == {address_of(thread)}
    assert history[0].id == str(starter.id)


async def test_a_chain_of_replies_is_followed_to_its_limit_or_its_end() -> None:
    async with unlimited() as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        last = await server.say(ada, channel, "0")
        chain = [last]
        for n in range(1, 6):
            last = await server.say(ada, channel, str(n), reply_to=last)
            chain.append(last)
        async with running(server) as (adapter, _):
            where = address_of(channel)

            async def texts(limit: int) -> list[str]:
                return [m.text for m in await adapter.fetch_chain(where, str(last.id), limit)]

            asked = len(server.requests)
            assert await texts(20) == ["0", "1", "2", "3", "4", "5"]
            assert len(server.requests) - asked == 3
            assert await texts(3) == ["3", "4", "5"]
            assert await texts(0) == []
            await server.delete(chain[2])
            assert await texts(20) == ["3", "4", "5"]
            server.faults.add("GET /channels/{channel_id}/messages/{message_id}", Fault("answer", status=403))
            assert await texts(20) == []


async def test_a_chain_that_bites_its_tail_ends() -> None:
    async with unlimited() as server:
        channel, ada = server.add_channel("general"), server.add_user("ada")
        said = await server.say(ada, channel, "me")
        author = {"id": str(ada.id), "username": "ada"}
        loop = {"id": str(said.id), "type": 19, "author": author, "content": "round", "channel_id": str(channel.id)}
        loop["message_reference"] = {"message_id": str(said.id)}
        route = "GET /channels/{channel_id}/messages/{message_id}"
        async with running(server) as (adapter, _):
            server.faults.add(route, Fault("answer", status=200, body=loop))
            assert [m.text for m in await adapter.fetch_chain(address_of(channel), str(said.id), 9)] == ["round"]
            server.faults.add(route, Fault("answer", status=200, body=[1]))
            assert await adapter.fetch_chain(address_of(channel), str(said.id), 9) == []


@needs_contract
async def test_the_judge_of_requests_would_find_fault() -> None:
    judge: Callable[..., list[str]] = load_contract().check
    path, headers = "/api/v10/channels/1/messages", {"content-type": "application/json"}
    assert judge("discord", "POST", path, headers=headers, body=b'{"content": 5}')

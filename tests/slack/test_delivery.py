"""Sending, editing, deleting, finding and reading back; and what each kind of failure of Slack's comes to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient
from structlog.testing import capture_logs

from adapters.slack.adapter import SlackAdapter
from adapters.slack.connection import Timing
from bot import fencing
from bot.adapter import Adapter
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
    StorageFailed,
)
from bot.messages import Address, PartKey, Place, Reply
from emulators.faults import Fault
from emulators.slack import Channel, SlackWorkspace, User
from emulators.slack import Timing as SlackTiming
from tests.slack.stage import FAST, RecordingSink, calls, place_of, running, thread_of

KEY = PartKey("slack:C1:1.1", 1)
TABLE = "| a | b |\n|---|---|\n| 1 | 2 |\n"


def refused(code: str) -> Fault:
    return Fault("answer", 200, {}, {"ok": False, "error": code})


def bodies(slack: SlackWorkspace, method: str) -> list[dict[str, Any]]:
    return [json.loads(r.body) for r in slack.requests if r.path.endswith("/" + method)]


@pytest.fixture
def ada(slack: SlackWorkspace) -> User:
    return slack.add_user("ada", real_name="Ada")


def trace(key: PartKey) -> Trace:
    return Trace(key, reply_to=None, after=None)


@pytest.fixture
def general(slack: SlackWorkspace, ada: User) -> Channel:
    return slack.add_channel("general", topic="Talk of <https://example.org|all> &amp; sundry")


async def test_the_adapter_offers_what_it_can_and_claims_nothing_else() -> None:
    adapter: Adapter = SlackAdapter("xoxb-1", "xapp-1")
    for capability in (ShowsStatus, Deletes, FindsReplies, KnowsPlaces, ReachesPeople, ReadsMissed):
        assert isinstance(adapter, capability)
    assert not isinstance(adapter, FollowsReplies | RepeatsSafely)


async def test_a_reply_lands_in_the_thread_without_previews_and_can_be_found_by_its_key(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "hello", mention=True)
        address = thread_of(slack, asked)
        sent = await adapter.send(address, Reply("See **this**: https://example.org <!channel>"), KEY)
        (reply,) = slack.bot_messages(general, asked.ts)
        assert (reply.ts, reply.thread_ts) == (sent, asked.ts)
        assert reply.metadata == {"event_type": "parley_reply", "event_payload": {"turn": KEY.turn, "part": 1}}
        assert slack.unfurls == []
        assert slack.crowd_pings == []
        assert await adapter.find_replies(address, trace(KEY)) == [sent]
        assert await adapter.find_replies(address, trace(PartKey(KEY.turn, 2))) == []
        assert await adapter.find_replies(address, trace(PartKey("another", 1))) == []


async def test_a_reply_in_a_direct_message_stays_out_of_threads_and_is_found_there(
    slack: SlackWorkspace, sink: RecordingSink, ada: User
) -> None:
    dm = slack.open_dm(ada)
    async with running(slack, sink) as adapter:
        sent = await adapter.send(place_of(slack, dm), Reply("hello"), KEY)
        assert slack.bot_messages(dm)[0].thread_ts is None
        assert await adapter.find_replies(place_of(slack, dm), trace(KEY)) == [sent]


async def test_a_call_whose_lease_ran_out_on_its_way_is_not_sent(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    held = [True]
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "hello", mention=True)
        address = thread_of(slack, asked)
        fencing.calls_only_while(lambda: held[0])
        sent = await adapter.send(address, Reply("one"), KEY)
        held[0] = False
        with pytest.raises(DeliveryDelayed):
            await adapter.edit(address, sent, Reply("two"))
        with pytest.raises(DeliveryDelayed):
            await adapter.send(address, Reply("three"), PartKey(KEY.turn, 2))
        held[0] = True
        await adapter.edit(address, sent, Reply("four"))
    assert calls(slack, "chat.postMessage") == calls(slack, "chat.update") == 1
    assert [slack.visible_text(message) for message in slack.bot_messages(general, asked.ts)] == ["four"]


async def test_a_message_is_prepared_before_and_sent_once_it_is_stored_that_it_will_be(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    loop = asyncio.get_running_loop()
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "hello", mention=True)
        address = thread_of(slack, asked)
        stored: asyncio.Future[None] = loop.create_future()
        sending = asyncio.create_task(adapter.send_once(stored, address, Reply("one"), KEY))
        await asyncio.sleep(0.1)
        assert calls(slack, "chat.postMessage") == 0
        stored.set_result(None)
        assert await sending == slack.bot_messages(general, asked.ts)[0].ts
        refused: asyncio.Future[None] = loop.create_future()
        second = asyncio.create_task(adapter.send_once(refused, address, Reply("two"), PartKey(KEY.turn, 2)))
        await asyncio.sleep(0.1)
        refused.set_exception(StorageFailed("the disk is full"))
        with pytest.raises(StorageFailed):
            await second
        await adapter.send(address, Reply("three"), PartKey(KEY.turn, 3))
    assert calls(slack, "chat.postMessage") == 2


async def test_nobody_elses_metadata_is_taken_for_a_reply(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "hello", mention=True)
        forged = await slack.say(ada, general, "me too", thread_ts=asked.ts)
        forged.metadata = {"event_type": "parley_reply", "event_payload": {"turn": KEY.turn, "part": 1}}
        assert await adapter.find_replies(thread_of(slack, asked), trace(KEY)) == []


async def test_a_reply_is_found_beyond_the_first_page(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "hello", send=False)
        for number in range(450):
            await slack.say(ada, general, str(number), thread_ts=asked.ts, send=False)
        sent = await adapter.send(thread_of(slack, asked), Reply("here"), KEY)
        assert await adapter.find_replies(thread_of(slack, asked), trace(KEY)) == [sent]
        assert calls(slack, "conversations.replies") == 3


async def test_a_thread_that_is_gone_holds_no_reply(
    slack: SlackWorkspace, sink: RecordingSink, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        gone = Address("slack", slack.team_id, general.id, "1700000000.000001")
        assert await adapter.find_replies(gone, trace(KEY)) == []
        assert await adapter.fetch_history(gone) == []


async def test_an_edit_replaces_the_text_in_either_form_and_keeps_the_metadata(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        address = thread_of(slack, await slack.say(ada, general, "hello", mention=True))
        sent = await adapter.send(address, Reply("first"), KEY)
        (reply,) = slack.bot_messages(general, address.thread)
        for text, shown in (("second", "second"), (TABLE, "1"), ("third", "third"), (TABLE + "end", "end")):
            await adapter.edit(address, sent, Reply(text))
            assert shown in slack.visible_text(reply)
        await adapter.edit(address, sent, Reply("last"))
        assert slack.visible_text(reply) == "last"
        assert await adapter.find_replies(address, trace(KEY)) == [sent]
        updates = bodies(slack, "chat.update")
        assert all(u["blocks"] and u["text"] and "markdown_text" not in u for u in updates)
        assert all("metadata" not in u for u in updates)


@pytest.mark.parametrize("code", ["invalid_blocks", "msg_blocks_too_long", "invalid_attachments"])
async def test_where_slack_refuses_the_block_the_same_text_stands_in_plainer_ones(
    slack: SlackWorkspace, sink: RecordingSink, general: Channel, code: str
) -> None:
    text = f"# Title\n\n{TABLE}\n\n" + "Some **words** of it. " * 400
    async with running(slack, sink) as adapter:
        place = place_of(slack, general)
        slack.faults.add("chat.postMessage", refused(code))
        sent = await adapter.send(place, Reply(text), KEY)
        (message,) = slack.bot_messages(general)
        assert [block["type"] for block in message.blocks] == ["section"] * len(message.blocks)
        assert slack.visible_text(message).count("Some *words* of it.") == 400
        slack.faults.add("chat.update", refused(code))
        await adapter.edit(place, sent, Reply("**short**"))
        assert slack.visible_text(message) == "*short*"
        assert await adapter.find_replies(place, trace(KEY)) == [sent]


async def test_where_no_block_is_taken_the_text_stands_without_any(
    slack: SlackWorkspace, sink: RecordingSink, general: Channel
) -> None:
    text = " ".join(f"**word{n}**" for n in range(300))
    async with running(slack, sink) as adapter:
        slack.faults.add("chat.postMessage", refused("invalid_blocks"), refused("invalid_blocks"))
        sent = await adapter.send(place_of(slack, general), Reply(text, buttons=("stop",)), KEY)
        (message,) = slack.bot_messages(general)
        assert (message.ts, message.blocks) == (sent, [])
        assert message.text.split() == [f"*word{n}*" for n in range(300)]


async def test_a_message_goes_without_what_it_carries_where_slack_does_not_take_that(
    slack: SlackWorkspace, sink: RecordingSink, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        slack.faults.add("chat.postMessage", refused("metadata_must_be_sent_from_app"))
        await adapter.send(place_of(slack, general), Reply("Hello"), KEY)
        (message,) = slack.bot_messages(general)
        assert slack.visible_text(message) == "Hello"
        slack.faults.add("chat.postMessage", *[refused("invalid_metadata_format")] * 2)
        with pytest.raises(DeliveryRefused):
            await adapter.send(place_of(slack, general), Reply("Hello"), KEY)


async def test_where_nobody_serves_a_reading_it_is_refused(
    slack: SlackWorkspace, sink: RecordingSink, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        slack.faults.add("conversations.history", *[Fault(status=404, body="not here")] * 4)
        with pytest.raises(DeliveryRefused):
            await adapter.fetch_history(place_of(slack, general))
        with pytest.raises(DeliveryRefused):
            await adapter.find_replies(place_of(slack, general), trace(KEY))
        slack.faults.add("chat.postMessage", Fault(status=404, body="not here"))
        with pytest.raises(DeliveryUncertain):
            await adapter.send(place_of(slack, general), Reply("x"), KEY)


async def test_a_block_that_is_refused_in_every_form_is_a_refusal(
    slack: SlackWorkspace, sink: RecordingSink, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        slack.faults.add("chat.postMessage", *[refused("invalid_blocks")] * 3)
        with pytest.raises(DeliveryRefused) as failure:
            await adapter.send(place_of(slack, general), Reply("x"), KEY)
        assert failure.value.code == "invalid_blocks"


async def test_a_long_message_of_ours_is_read_back_whole_though_its_text_is_its_beginning(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        address = thread_of(slack, await slack.say(ada, general, "tell me", mention=True))
        long = " ".join(f"word{n}" for n in range(1_300))
        await adapter.send(address, Reply(long), KEY)
        (posted,) = slack.bot_messages(general, address.thread)
        assert len(posted.text) <= 4_000 < len(long)
        assert [message.text for message in await adapter.fetch_history(address)][-1] == long


async def test_a_blank_reply_is_refused_before_slack_is_asked(
    slack: SlackWorkspace, sink: RecordingSink, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        with pytest.raises(DeliveryRefused):
            await adapter.send(place_of(slack, general), Reply(" \n"), KEY)
        assert calls(slack, "chat.postMessage") == 0


async def test_a_reply_is_deleted_and_what_is_gone_is_no_error(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        address = thread_of(slack, await slack.say(ada, general, "hello", mention=True))
        sent = await adapter.send(address, Reply("oops"), KEY)
        await adapter.delete(address, sent)
        await adapter.delete(address, sent)
        assert slack.bot_messages(general) == []
        with pytest.raises(MessageGone):
            await adapter.edit(address, sent, Reply("again"))
        slack.faults.add("chat.delete", refused("cant_delete_message"))
        with pytest.raises(DeliveryRefused) as failure:
            await adapter.delete(address, sent)
        assert failure.value.code == "cant_delete_message"


FAILURES: list[tuple[Fault, type[DeliveryFailure], str]] = [
    (Fault("answer", 429, {"Retry-After": "7"}, {"ok": False, "error": "ratelimited"}), DeliveryDelayed, "ratelimited"),
    (Fault("answer", 429, {"Retry-After": "7"}, "slow down"), DeliveryDelayed, "http_429"),
    (refused("rate_limited"), DeliveryDelayed, "rate_limited"),
    (Fault("answer", 500, {}, {"ok": False, "error": "internal_error"}), DeliveryUncertain, "internal_error"),
    (Fault("answer", 502, {}, "<html>"), DeliveryUncertain, "http_502"),
    (Fault("answer", 404, {}, "<html>"), DeliveryUncertain, "http_404"),
    (Fault("answer", 200, {}, "<html>"), DeliveryUncertain, "unreadable"),
    (Fault("answer", 200, {}, [1]), DeliveryUncertain, "unreadable"),
    (Fault("answer", 200, {}, {"ok": False}), DeliveryUncertain, "unreadable"),
    (refused("fatal_error"), DeliveryUncertain, "fatal_error"),
    (refused("service_unavailable"), DeliveryUncertain, "service_unavailable"),
    (refused("org_login_required"), DeliveryUncertain, "org_login_required"),
    (refused("external_channel_migrating"), DeliveryUncertain, "external_channel_migrating"),
    (Fault("reset"), DeliveryUncertain, "connection"),
    (Fault("lost_reply"), DeliveryUncertain, "connection"),
    (Fault("delay", seconds=0.6), DeliveryUncertain, "timeout"),
    *[
        (refused(code), DeliveryRefused, code)
        for code in (
            "is_archived",
            "channel_is_archived",
            "not_in_channel",
            "channel_not_found",
            "restricted_action",
            "msg_too_long",
            "no_text",
            "missing_scope",
            "a_code_of_the_future",
        )
    ],
]


@pytest.mark.parametrize("expected", FAILURES, ids=lambda expected: f"{expected[1].__name__}-{expected[2]}")
@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
async def test_each_failure_of_slack_is_one_failure_of_delivery(
    slack: SlackWorkspace,
    sink: RecordingSink,
    general: Channel,
    expected: tuple[Fault, type[DeliveryFailure], str],
    method: str,
) -> None:
    fault, kind, code = expected
    async with running(slack, sink, replace(FAST, call=0.3 if fault.kind == "delay" else 2.0)) as adapter:
        sent = await adapter.send(place_of(slack, general), Reply("first"), KEY)
        slack.faults.add(method, fault)
        with pytest.raises(DeliveryFailure) as failure:
            if method == "chat.update":
                await adapter.edit(place_of(slack, general), sent, Reply("second"))
            else:
                await adapter.send(place_of(slack, general), Reply("second"), PartKey("t", 2))
        assert type(failure.value) is kind
        assert failure.value.code == code
        if isinstance(failure.value, DeliveryDelayed):
            assert failure.value.retry_after == (7.0 if fault.status == 429 else 5.0)


@pytest.mark.parametrize("code", ["token_revoked", "invalid_auth", "account_inactive", "token_expired", "not_authed"])
async def test_a_token_refused_while_running_delays_everything_and_is_told_to_the_core(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel, code: str
) -> None:
    async with running(slack, sink) as adapter:
        where = thread_of(slack, await slack.say(ada, general, "hello", mention=True))
        sent = await adapter.send(where, Reply("one"), KEY)
        made: list[tuple[str, Callable[[], Awaitable[object]]]] = [
            ("chat.postMessage", lambda: adapter.send(where, Reply("two"), PartKey("t", 2))),
            ("chat.update", lambda: adapter.edit(where, sent, Reply("two"))),
            ("chat.delete", lambda: adapter.delete(where, sent)),
            ("conversations.replies", lambda: adapter.find_replies(where, trace(KEY))),
            ("conversations.replies", lambda: adapter.fetch_history(where)),
        ]
        for method, call in made:
            with capture_logs() as logs:
                slack.faults.add(method, refused(code))
                with pytest.raises(DeliveryDelayed, match=code) as failure:
                    await call()
                assert failure.value.retry_after == 30.0
            assert slack.bot_token not in str(logs)
            assert await adapter.find_replies(where, trace(KEY)) == [sent]
    assert sink.refused_tokens == [("slack", "SLACK_BOT_TOKEN")] * len(made)


async def test_a_person_is_written_to_alone_and_what_landed_there_can_be_found(
    slack: SlackWorkspace, sink: RecordingSink, ada: User
) -> None:
    async with running(slack, sink) as adapter:
        assert adapter.is_person(ada.id) and adapter.is_person("W012A3CDE")
        assert not any(adapter.is_person(other) for other in ("", "123456789012345678", "C0PARLEY01", "U 1", "Uli"))
        alone = await adapter.direct(ada.id)
        assert alone == await adapter.direct(ada.id) == place_of(slack, slack.open_dm(ada))
        sent = await adapter.send(alone, Reply("only you"), KEY)
        assert await adapter.find_replies(alone, trace(KEY)) == [sent]
        with pytest.raises(DeliveryRefused, match="user_not_found"):
            await adapter.direct("U0NOBODY")
        slack.faults.add("conversations.open", Fault("answer", 200, {}, {"ok": True, "channel": "D1"}))
        with pytest.raises(DeliveryUncertain, match="no_channel"):
            await adapter.direct(ada.id)
        slack.scopes.discard("im:write")
        with pytest.raises(DeliveryRefused, match="missing_scope"):
            await adapter.direct(ada.id)


async def test_a_reply_whose_confirmation_was_lost_is_found_again(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        address = thread_of(slack, await slack.say(ada, general, "hello", mention=True))
        slack.faults.add("chat.postMessage", Fault("lost_reply"))
        with pytest.raises(DeliveryUncertain):
            await adapter.send(address, Reply("once"), KEY)
        (landed,) = slack.bot_messages(general, address.thread)
        assert await adapter.find_replies(address, trace(KEY)) == [landed.ts]


async def test_an_answer_without_an_id_is_uncertain(
    slack: SlackWorkspace, sink: RecordingSink, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        slack.faults.add("chat.postMessage", Fault("answer", 200, {}, {"ok": True}))
        with pytest.raises(DeliveryUncertain):
            await adapter.send(place_of(slack, general), Reply("x"), KEY)


async def test_an_edit_that_came_too_late_is_to_be_posted_anew_and_a_forbidden_one_is_refused(
    slack: SlackWorkspace, sink: RecordingSink, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        slack.faults.add("chat.update", refused("edit_window_closed"), refused("is_inactive"))
        with pytest.raises(MessageGone):
            await adapter.edit(place_of(slack, general), "1.1", Reply("x"))
        with pytest.raises(DeliveryRefused):
            await adapter.edit(place_of(slack, general), "1.1", Reply("x"))


async def test_reading_back_fails_as_delivery_does(
    slack: SlackWorkspace, sink: RecordingSink, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        slack.faults.add("conversations.history", refused("channel_not_found"), refused("ratelimited"))
        with pytest.raises(DeliveryRefused):
            await adapter.fetch_history(place_of(slack, general))
        with pytest.raises(DeliveryDelayed):
            await adapter.find_replies(place_of(slack, general), trace(KEY))


async def test_before_it_is_connected_the_adapter_asks_to_come_back_later() -> None:
    adapter = SlackAdapter("xoxb-1", "xapp-1")
    with pytest.raises(DeliveryDelayed):
        await adapter.find_replies(Address("slack", "T", "C", "1.1"), trace(KEY))
    with pytest.raises(DeliveryDelayed):
        adapter.describe()
    assert await adapter.place(Address("slack", "T", "D1")) == Place()


async def test_a_threads_history_is_the_newest_between_two_messages_with_people_named(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        root = await slack.say(ada, general, "root", mention=True, send=False)
        address = thread_of(slack, root)
        said = [await slack.say(ada, general, f"n{i}", thread_ts=root.ts, send=False) for i in range(250)]
        sent = await adapter.send(address, Reply("mine"), KEY)
        whole = await adapter.fetch_history(address, limit=1000)
        assert [m.text for m in whole] == ["root", *(f"n{i}" for i in range(250)), "mine"]
        assert {m.address for m in whole} == {address}
        assert whole[0].mentions_bot
        assert whole[0].author.name.casefold() == "ada"
        assert (whole[-1].id, whole[-1].author.is_bot, whole[-1].author.id) == (sent, True, slack.bot.id)
        newest = await adapter.fetch_history(address, limit=3)
        assert [m.text for m in newest] == ["n248", "n249", "mine"]
        between = await adapter.fetch_history(address, after=said[10].ts, before=said[15].ts)
        assert [m.text for m in between] == ["n11", "n12", "n13", "n14"]
        assert await adapter.fetch_history(address, after=sent) == []
        assert await adapter.fetch_history(address, limit=0) == []


async def test_a_channels_history_is_read_in_pages_from_the_newest_on(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        said = [await slack.say(ada, general, f"n{i}", send=False) for i in range(450)]
        newest = await adapter.fetch_history(place_of(slack, general), limit=5)
        assert [m.text for m in newest] == [f"n{i}" for i in range(445, 450)]
        assert [m.address.thread for m in newest] == [m.id for m in newest]
        missed = await adapter.fetch_history(place_of(slack, general), after=said[20].ts, limit=1000)
        assert [m.text for m in missed] == [f"n{i}" for i in range(21, 450)]
        older = await adapter.fetch_history(place_of(slack, general), before=said[3].ts)
        assert [m.text for m in older] == ["n0", "n1", "n2"]


async def test_history_rows_equal_what_the_events_of_the_same_messages_said(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    dm = slack.open_dm(ada)
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "in *public*", mention=True, paired=False)
        await slack.say(ada, general, "and more", thread_ts=asked.ts)
        await slack.say(ada, dm, "in private")
        await sink.wait_for(lambda: len(sink.events) == 3)
        public = [message for message in sink.messages if not message.direct]
        assert list(await adapter.fetch_history(thread_of(slack, asked))) == public
        private = [message for message in sink.messages if message.direct]
        assert list(await adapter.fetch_history(place_of(slack, dm))) == private


async def test_rows_that_make_no_sense_are_left_out(
    slack: SlackWorkspace, sink: RecordingSink, general: Channel
) -> None:
    rows: list[Any] = [None, 5, {}, {"ts": None}, {"ts": "x"}, {"ts": "1.1"}, {"ts": "2.1", "user": "U1", "text": "ok"}]
    async with running(slack, sink) as adapter:
        slack.faults.add(
            "conversations.history",
            Fault("answer", 200, {}, {"ok": True, "messages": rows, "response_metadata": None}),
            Fault("answer", 200, {}, {"ok": True, "messages": "none"}),
            Fault("answer", 200, {}, {"ok": True, "messages": [{"ts": "1.1", "user": slack.bot.id, "metadata": 5}]}),
        )
        assert [m.text for m in await adapter.fetch_history(place_of(slack, general))] == ["ok"]
        assert await adapter.fetch_history(place_of(slack, general)) == []
        assert await adapter.find_replies(place_of(slack, general), trace(KEY)) == []


async def test_the_status_is_shown_and_cleared_in_threads_alone(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        asked = await slack.say(ada, general, "hello", mention=True)
        await adapter.show_status(thread_of(slack, asked), "is thinking…")
        assert slack.status(general, asked.ts) == "is thinking…"
        await adapter.show_status(thread_of(slack, asked), "")
        assert slack.status(general, asked.ts) == ""
        before = calls(slack, "assistant.threads.setStatus")
        await adapter.show_status(place_of(slack, slack.open_dm(ada)), "is thinking…")
        assert calls(slack, "assistant.threads.setStatus") == before


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        (refused("unknown_method"), 1),
        (refused("missing_scope"), 1),
        (refused("not_allowed_token_type"), 1),
        (Fault("answer", 404, {}, "<html>"), 1),
        (Fault("answer", 200, {}, "<html>"), 1),
        (Fault("answer", 429, {"Retry-After": "60"}, {"ok": False, "error": "ratelimited"}), 1),
        (Fault("delay", seconds=0.4), 1),
        (refused("channel_not_found"), 3),
        (Fault("answer", 500), 3),
        (Fault("reset"), 3),
    ],
)
async def test_a_status_that_cannot_be_shown_never_raises_and_is_not_insisted_on(
    slack: SlackWorkspace, sink: RecordingSink, general: Channel, fault: Fault, tries: int
) -> None:
    async with running(slack, sink, replace(FAST, status=0.2)) as adapter:
        asked = await slack.say(slack.users[slack.bot.id], general, "hello", send=False)
        slack.faults.add("assistant.threads.setStatus", *[fault] * 3)
        for _ in range(3):
            await adapter.show_status(thread_of(slack, asked), "is thinking…")
        assert calls(slack, "assistant.threads.setStatus") == tries
    slack.faults.clear()


async def test_a_place_has_its_names_and_topic(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        place = await adapter.place(place_of(slack, general))
        assert place.channel_name == "general"
        assert place.workspace_name == slack.team_name
        assert place.topic.startswith("Talk of ")
        assert "&amp;" not in place.topic
        await adapter.place(place_of(slack, general))
        assert calls(slack, "conversations.info") == 1
        dm = await adapter.place(place_of(slack, slack.open_dm(ada)))
        assert dm == Place(workspace_name=slack.team_name)


@pytest.mark.parametrize(
    "fault",
    [
        refused("channel_not_found"),
        Fault("answer", 200, {}, {"ok": True}),
        Fault("answer", 200, {}, {"ok": True, "channel": {"name": None, "topic": 5}}),
        Fault("answer", 404, {}, "<html>"),
    ],
)
async def test_a_place_that_cannot_be_had_is_empty(
    slack: SlackWorkspace, sink: RecordingSink, general: Channel, fault: Fault
) -> None:
    async with running(slack, sink) as adapter:
        slack.faults.add("conversations.info", fault)
        assert await adapter.place(place_of(slack, general)) == Place(workspace_name=slack.team_name)


async def test_a_workspace_that_is_slow_to_give_names_delays_no_answer(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    asked = await slack.say(ada, general, "hello", send=False)
    async with running(slack, sink, replace(FAST, call=10.0, lookup=0.1, status=0.1)) as adapter:
        where, slow = thread_of(slack, asked), Fault("delay", seconds=2.5)
        for method in ("users.info", "conversations.info", "assistant.threads.setStatus"):
            slack.faults.add(method, slow)
        async with asyncio.timeout(2.0):
            _, place, history = await asyncio.gather(
                adapter.show_status(where, "is thinking…"), adapter.place(where), adapter.fetch_history(where)
            )
    assert place == Place(workspace_name=slack.team_name)
    assert [message.text for message in history] == ["hello"]
    assert slack.faults.pending == 0


def test_names_and_the_status_take_a_second_or_so_at_most() -> None:
    assert Timing().status <= 1.0
    assert Timing().lookup <= 1.5


async def test_the_description_keeps_every_window_within_slacks_limits(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    async with running(slack, sink) as adapter:
        description = adapter.describe()
        assert (description.platform, description.bot_id) == ("slack", slack.bot.id)
        assert description.fits(Reply("x" * 11_900))
        assert not description.fits(Reply("x" * 13_000))
        for limit in description.limits:
            if limit.action == "edit":
                assert limit.amount < 50 and limit.seconds >= 60
            elif limit.scope == "channel":
                assert limit.amount == 1 and limit.seconds > 1


async def test_after_the_stop_an_answer_under_way_can_still_be_finished(
    slack: SlackWorkspace, sink: RecordingSink, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        sent = await adapter.send(place_of(slack, general), Reply("first"), KEY)
        await adapter.stop()
        await adapter.edit(place_of(slack, general), sent, Reply("second"))
        assert slack.visible_text(slack.bot_messages(general)[0]) == "second"


@pytest.mark.parametrize("expired", [False, True])
async def test_an_edit_ends_a_stream_that_was_left_open_on_the_message(sink: RecordingSink, expired: bool) -> None:
    async with SlackWorkspace(timing=SlackTiming(stream_life=0.01 if expired else 300), limits="none") as slack:
        ada, general = slack.add_user("ada"), slack.add_channel("general")
        asked = await slack.say(ada, general, "hello", mention=True)
        raw = AsyncWebClient(token=slack.bot_token, base_url=slack.url)
        stream = await raw.chat_startStream(
            channel=general.id,
            thread_ts=asked.ts,
            markdown_text="half an ans",
            recipient_user_id=ada.id,
            recipient_team_id=slack.team_id,
        )
        async with running(slack, sink) as adapter:
            await asyncio.sleep(0.05)
            await adapter.edit(thread_of(slack, asked), stream["ts"], Reply("the whole answer"))
        (message,) = slack.bot_messages(general, asked.ts)
        assert slack.visible_text(message) == "the whole answer"
        assert not message.streaming
        assert calls(slack, "chat.stopStream") == (0 if expired else 1)
        assert slack.complaints == []


async def test_a_message_that_is_no_longer_ours_counts_as_gone(
    slack: SlackWorkspace, sink: RecordingSink, ada: User, general: Channel
) -> None:
    async with running(slack, sink) as adapter:
        address = thread_of(slack, await slack.say(ada, general, "hello", mention=True))
        sent = await adapter.send(address, Reply("first"), KEY)
        slack.faults.add("chat.update", refused("cant_update_message"))
        with pytest.raises(MessageGone):
            await adapter.edit(address, sent, Reply("second"))

"""Events over the wire: stored before they are acknowledged, the same message once, whatever comes malformed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.messages import Address, Attachment, IncomingMessage, MessageDeleted, MessageEdited, PartKey, Reply
from emulators.faults import Fault
from emulators.slack import SlackWorkspace, Timing, Upload
from tests.slack.stage import FAST, RecordingSink, calls, eventually, running, storage_failure, thread_of


@pytest.mark.parametrize("order", ["message_first", "mention_first"])
async def test_a_mention_that_is_told_of_twice_arrives_once_and_both_events_are_acknowledged(
    slack: SlackWorkspace, sink: RecordingSink, order: Any
) -> None:
    ada = slack.add_user("ada", admin=True, real_name="Ada Lovelace")
    general = slack.add_channel("general")
    async with running(slack, sink):
        question = await slack.say(ada, general, "what is 2+2?", mention=True, order=order)
        await slack.wait_for(lambda: len(slack.acks) == 2)
        [message] = sink.messages
        assert message.address == Address("slack", slack.team_id, general.id, question.ts)
        assert (message.id, message.text, message.mentions_bot) == (question.ts, "what is 2+2?", True)
        assert message.author.id == ada.id
        assert message.author.is_admin
        assert not message.direct
        assert f"{message.sent_at.timestamp():.6f}" == question.ts
        await slack.wait_for(lambda: not slack.undelivered)


async def test_neither_event_of_a_mention_is_acknowledged_before_it_is_stored(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink):
        sink.gate.clear()
        await slack.say(ada, general, "hello", mention=True)
        await asyncio.sleep(0.1)
        assert slack.acks == []
        sink.gate.set()
        await slack.wait_for(lambda: len(slack.acks) == 2)


async def test_where_the_first_event_of_a_mention_is_not_stored_the_second_is(sink: RecordingSink) -> None:
    async with SlackWorkspace(timing=Timing(ack_deadline=5, redelivery=(5, 5, 5)), limits="none") as slack:
        ada, general = slack.add_user("ada"), slack.add_channel("general")
        sink.failures = [storage_failure()]
        async with running(slack, sink):
            await slack.say(ada, general, "hello", mention=True)
            await slack.wait_for(lambda: slack.acks)
            assert [message.text for message in sink.messages] == ["hello"]
            assert (sink.refused, len(slack.acks)) == (1, 1)


async def test_the_same_words_said_twice_are_two_messages(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink):
        await slack.say(ada, general, "hello", mention=True)
        await slack.say(ada, general, "hello", mention=True)
        await slack.wait_for(lambda: len(slack.acks) == 4)
        assert [message.text for message in sink.messages] == ["hello", "hello"]


async def test_an_event_is_acknowledged_only_after_it_was_stored(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    async with running(slack, sink):
        sink.gate.clear()
        await slack.say(ada, dm, "hello")
        await asyncio.sleep(0.1)
        assert slack.acks == []
        sink.gate.set()
        await slack.wait_for(lambda: slack.acks)
        assert len(sink.events) == 1


@pytest.mark.parametrize("failure", [storage_failure(), RuntimeError("a bug")])
async def test_what_could_not_be_stored_stays_unacknowledged_and_comes_again(
    sink: RecordingSink, failure: Exception
) -> None:
    async with SlackWorkspace(timing=Timing(ack_deadline=0.1, redelivery=(0.02, 0.1, 0.3)), limits="none") as slack:
        ada = slack.add_user("ada")
        dm = slack.open_dm(ada)
        sink.failures = [failure, failure]
        async with running(slack, sink):
            await slack.say(ada, dm, "hello")
            await slack.wait_for(lambda: slack.deliveries and slack.deliveries[0].acked)
            assert [attempt.fate for attempt in slack.deliveries[0].attempts] == ["timeout", "timeout", "acked"]
            assert [message.text for message in sink.messages] == ["hello"]
            assert sink.refused == 2


async def test_a_redelivered_event_is_the_same_message_again(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    async with running(slack, sink):
        said = await slack.say(ada, dm, "hello")
        await sink.wait_for(lambda: sink.events)
        await slack.redeliver(said)
        await sink.wait_for(lambda: len(sink.events) == 2)
        assert sink.events[0] == sink.events[1]


async def test_edits_and_deletions_of_people_arrive_and_previews_do_not(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink):
        said = await slack.say(ada, general, "see https://example.org", mention=True, paired=False)
        await slack.unfurl(said, "https://example.org")
        await slack.edit(ada, said, f"<@{slack.bot.id}> never mind", raw=True)
        await slack.delete(said)
        await sink.wait_for(lambda: len(sink.events) == 3)
        first, edited, deleted = sink.events
        assert isinstance(first, IncomingMessage)
        assert isinstance(edited, MessageEdited)
        assert (edited.message.text, edited.message.id, edited.message.edited) == ("never mind", said.ts, True)
        assert edited.message.address == first.address
        assert deleted == MessageDeleted(first.address, said.ts)
        await slack.wait_for(lambda: not slack.undelivered)


async def test_a_deleted_question_with_answers_leaves_a_tombstone_and_counts_as_deleted(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink):
        said = await slack.say(ada, general, "hello", mention=True, paired=False)
        await slack.say(ada, general, "more", thread_ts=said.ts)
        await slack.delete(said)
        await sink.wait_for(lambda: len(sink.events) == 3)
        assert sink.events[2] == MessageDeleted(thread_of(slack, said), said.ts)


async def test_a_direct_message_is_direct_and_its_files_come_along(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    async with running(slack, sink):
        said = await slack.say(ada, dm, "read this", files=[Upload("notes.txt", b"12345")])
        await sink.wait_for(lambda: sink.events)
        message = sink.messages[0]
        assert message.direct
        assert message.address == Address("slack", slack.team_id, dm.id, None)
        (attachment,) = message.attachments
        assert (attachment.name, attachment.media_type, attachment.size) == ("notes.txt", "text/plain", 5)
        assert attachment.url.startswith(slack.base_url)
        assert isinstance(attachment, Attachment)
        reply = await slack.say(ada, dm, "in a thread", thread_ts=said.ts)
        await sink.wait_for(lambda: len(sink.events) == 2)
        assert sink.messages[1].address.thread == said.ts
        assert sink.messages[1].id == reply.ts


async def test_other_bots_are_marked_as_bots(slack: SlackWorkspace, sink: RecordingSink) -> None:
    robot, general = slack.add_user("robot", bot=True), slack.add_channel("general")
    async with running(slack, sink):
        await slack.say(robot, general, "beep", mention=True, paired=False)
        await sink.wait_for(lambda: sink.events)
        assert sink.messages[0].author.is_bot


async def test_mentioned_people_are_named_in_the_text(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada, bob = slack.add_user("ada"), slack.add_user("bob")
    general = slack.add_channel("general")
    async with running(slack, sink):
        await slack.say(ada, general, f"ask <@{bob.id}> & me", mention=True, paired=False)
        root = await slack.say(ada, general, "hello", mention=True, paired=False)
        await slack.say(ada, general, f"<@{bob.id}> what do you think?", thread_ts=root.ts)
        await sink.wait_for(lambda: len(sink.events) == 3)
        assert sink.messages[0].text.casefold() == "ask @bob & me"
        assert not sink.messages[0].mentions_others
        assert sink.messages[2].mentions_others
        assert not sink.messages[2].mentions_bot


@pytest.mark.parametrize(
    "fault",
    [
        Fault("answer", 200, {}, {"ok": False, "error": "missing_scope", "needed": "users:read"}),
        Fault("answer", 404, {}, "<html>not here</html>"),
        Fault("answer", 429, {"Retry-After": "30"}, {"ok": False, "error": "ratelimited"}),
        Fault("reset"),
    ],
)
async def test_names_that_cannot_be_had_stop_no_message(
    slack: SlackWorkspace, sink: RecordingSink, fault: Fault
) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    slack.faults.add("users.info", *[fault] * 10)
    async with running(slack, sink):
        for number in range(3):
            await slack.say(ada, general, f"hello {number}", mention=True, paired=False)
        await sink.wait_for(lambda: len(sink.events) == 3)
        assert {message.author.name for message in sink.messages} == {""}
        assert calls(slack, "users.info") <= 4  # aiohttp tries a GET again whose connection was cut
    slack.faults.clear()


async def test_a_slow_look_up_delays_a_message_a_moment_and_its_name_is_there_for_the_next(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada", real_name="Ada"), slack.add_channel("general")
    async with running(slack, sink):
        slack.faults.add("users.info", Fault("delay", seconds=0.8))
        await slack.say(ada, general, "first", mention=True, paired=False)
        await slack.say(ada, general, "second", mention=True, paired=False)
        await sink.wait_for(lambda: len(sink.events) == 2)
        assert [message.text for message in sink.messages] == ["first", "second"]
        assert [message.author.name for message in sink.messages] == ["", ""]
        await slack.wait_for(lambda: calls(slack, "users.info") == 2 and slack.requests[-1].status == 200)
        await asyncio.sleep(0.05)
        await slack.say(ada, general, "third", mention=True, paired=False)
        await sink.wait_for(lambda: len(sink.events) == 3)
        assert sink.messages[2].author.name.casefold() == "ada"
        assert calls(slack, "users.info") == 2


async def test_talk_that_is_not_for_the_bot_costs_no_look_up(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink):
        before = calls(slack, "users.info")
        await slack.say(ada, general, "lunch?")
        await sink.wait_for(lambda: sink.events)
        assert calls(slack, "users.info") == before


MALFORMED: list[Any] = [
    {},
    {"event": None},
    {"event": "message"},
    {"event": []},
    {"event": {}},
    {"event": {"type": None}},
    {"event": {"type": 7}},
    {"event": {"type": "message"}},
    {"event": {"type": "message", "channel": None, "ts": None, "user": None, "text": None}},
    {"event": {"type": "message", "channel": "C1", "ts": 12.5, "user": "U1", "text": "x"}},
    {"event": {"type": "message", "channel": "C1", "ts": "99999999999999.1", "user": "U1", "text": "x"}},
    {"event": {"type": "message", "channel": "C1", "ts": "1.1", "user": ["U1"], "text": {"a": 1}}},
    {"event": {"type": "message", "channel": {"id": "C1"}, "ts": "1.1", "user": "U1"}},
    {"event": {"type": "message", "subtype": "message_changed", "channel": "C1"}},
    {"event": {"type": "message", "subtype": "message_changed", "channel": "C1", "message": 5}},
    {"event": {"type": "message", "subtype": "message_deleted", "channel": "C1"}},
    {"event": {"type": "message", "subtype": ["message_deleted"], "channel": "C1", "ts": "1.1", "user": "U1"}},
    {"event": {"type": "message", "subtype": "a_new_one", "channel": "C1", "ts": "1.1", "user": "U1"}},
    {"event": {"type": "app_mention"}},
    {"event": {"type": "something_new", "user": {"id": "U1"}}},
    {"event": {"type": "message", "blocks": 5, "files": "no", "attachments": {}}},
    {"team": 5, "event": {"type": "message"}},
    {"authorizations": [None], "event": {"type": "message"}},
    {"authorizations": "none", "team_id": 5, "event": {"type": "message"}},
    {"type": "event_callback", "enterprise": 5},
    {"command": 5},
    {"command": None, "text": None},
    {"type": "block_actions", "actions": 7},
    {"type": "a_new_type"},
]


@pytest.mark.parametrize("payload", MALFORMED, ids=range(len(MALFORMED)))
async def test_what_cannot_be_understood_is_acknowledged_and_hurts_nothing(
    slack: SlackWorkspace, sink: RecordingSink, payload: dict[str, Any]
) -> None:
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    async with running(slack, sink):
        delivery = await slack.send_raw(payload)
        assert delivery is not None
        await slack.wait_for(lambda: delivery.acked, timeout=2.0)
        assert sink.events == []
        await slack.say(ada, dm, "still there?")
        await sink.wait_for(lambda: sink.events)


async def test_frames_that_are_no_envelopes_hurt_nothing_and_odd_envelopes_are_acknowledged(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    async with running(slack, sink):
        for frame in ("", "[]", "{", "null", "5", "hello", '{"type": "hello", "num_connections": "x"}', "[" * 100_000):
            await slack.send_raw(frame)
        payloads: list[Any] = [None, [], "text", 5, [{"event": {}}]]
        for number, payload in enumerate(payloads):
            await slack.send_raw({"envelope_id": f"odd-{number}", "type": "events_api", "payload": payload})
        await slack.send_raw({"envelope_id": "odd-5"})
        await slack.send_raw({"envelope_id": "odd-6", "type": {"x": 1}, "payload": {"event": {"type": "message"}}})
        await slack.wait_for(lambda: len(slack.acks) == 7)
        await slack.say(ada, dm, "still there?")
        await sink.wait_for(lambda: sink.events)
    assert {complaint.split(":")[0] for complaint in slack.complaints} == {"an ack for an envelope that was never sent"}
    slack.complaints.clear()


async def test_a_message_in_an_envelope_that_trips_bolt_up_is_taken_all_the_same(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    async with running(slack, sink):
        event = {"type": "message", "channel": "D1", "channel_type": "im", "ts": "1.1", "user": "U1", "text": "hi"}
        delivery = await slack.send_raw({"authorizations": [None], "team": 5, "event": event})
        assert delivery is not None
        await slack.wait_for(lambda: delivery.acked)
        assert [message.text for message in sink.messages] == ["hi"]


async def test_the_order_within_a_channel_is_kept_though_names_come_at_their_own_pace(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    people = [slack.add_user(f"user{number}") for number in range(5)]
    general = slack.add_channel("general")
    async with running(slack, sink):
        slack.faults.add("users.info", *[Fault("delay", seconds=0.3 - 0.06 * number) for number in range(5)])
        for number, person in enumerate(people):
            await slack.say(person, general, str(number), mention=True, paired=False)
        await sink.wait_for(lambda: len(sink.events) == 5)
        assert [message.text for message in sink.messages] == ["0", "1", "2", "3", "4"]


async def test_the_bots_own_posts_and_edits_start_nothing(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    async with running(slack, sink) as adapter:
        said = await slack.say(ada, general, "hello", mention=True, paired=False)
        sent = await adapter.send(thread_of(slack, said), Reply("one"), PartKey("t", 1))
        await adapter.edit(thread_of(slack, said), sent, Reply("two"))
        await slack.wait_for(lambda: not slack.undelivered)
        others = [event for event in sink.events if isinstance(event, IncomingMessage) and not event.author.is_bot]
        assert [message.text for message in others] == ["hello"]
        assert not [event for event in sink.events if isinstance(event, MessageEdited)]


async def test_stopping_lets_an_event_under_way_be_stored_and_acknowledged(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    async with running(slack, sink) as adapter:
        sink.gate.clear()
        await slack.say(ada, dm, "hello")
        await eventually(lambda: slack.deliveries and slack.deliveries[-1].attempts)
        await asyncio.sleep(0.05)
        stopping = asyncio.create_task(adapter.stop())
        await asyncio.sleep(0.05)
        sink.gate.set()
        await stopping
        assert len(sink.events) == 1
        await slack.wait_for(lambda: slack.deliveries[-1].acked)


async def test_stopping_does_not_wait_for_ever_for_an_event_that_hangs(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada = slack.add_user("ada")
    dm = slack.open_dm(ada)
    async with running(slack, sink) as adapter:
        sink.gate.clear()
        await slack.say(ada, dm, "hello")
        await asyncio.sleep(0.05)
        async with asyncio.timeout(FAST.settle + 1.5):
            await adapter.stop()
        assert slack.acks == []


async def test_in_a_channel_where_everything_is_answered_the_authors_of_ordinary_messages_are_known(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada = slack.add_user("ada", owner=True, real_name="Ada Lovelace")
    guest = slack.add_user("guest", guest=True)
    busy, eager = slack.add_channel("busy"), slack.add_channel("eager")
    sink.all_heard = {eager.id}
    async with running(slack, sink):
        before = calls(slack, "users.info")
        await slack.say(ada, busy, "just talk")
        await sink.wait_for(lambda: len(sink.messages) == 1)
        assert calls(slack, "users.info") == before
        assert sink.messages[0].author.roles is None
        await slack.say(ada, eager, "just talk")
        await slack.say(guest, eager, "more talk")
        await sink.wait_for(lambda: len(sink.messages) == 3)
        first, second = (message.author for message in sink.messages[1:])
        assert (first.name, first.is_admin, first.roles) == ("ada", True, frozenset({"owner", "admin", "member"}))
        assert (second.is_admin, second.roles) == (False, frozenset({"guest"}))
        assert calls(slack, "users.info") == before + 2


async def test_roles_that_could_not_be_had_are_not_known(slack: SlackWorkspace, sink: RecordingSink) -> None:
    ada = slack.add_user("ada", admin=True)
    dm = slack.open_dm(ada)
    async with running(slack, sink):
        slack.faults.add("users.info", Fault("answer", 503))
        await slack.say(ada, dm, "hello")
        await sink.wait_for(lambda: sink.messages)
        assert (sink.messages[0].author.is_admin, sink.messages[0].author.roles) == (False, None)


async def test_the_owner_of_another_workspace_is_a_guest_in_a_shared_channel(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    boss, general = slack.add_user("boss", owner=True, team_id="T0ANOTHER1"), slack.add_channel("general")
    async with running(slack, sink):
        await slack.say(boss, general, "hello", mention=True)
        await sink.wait_for(lambda: sink.messages)
        author = sink.messages[0].author
        assert (author.name, author.roles) == ("boss", frozenset({"guest"}))
        assert (author.is_admin, author.runs_workspace) == (False, False)
        assert sink.messages[0].address.workspace == slack.team_id
        await slack.slash(boss, general, "/parley", "set temperature 0.2")
        await sink.wait_for(lambda: sink.commands)
        assert not sink.commands[0].author.is_admin


FORGETFUL = replace(FAST, rights=2.0)


async def test_who_lost_a_right_has_it_a_moment_later_in_messages_and_commands_no_more(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada", owner=True), slack.add_channel("general")
    async with running(slack, sink, FORGETFUL):
        await slack.say(ada, general, "!set temperature 0.2", mention=True)
        await sink.wait_for(lambda: sink.messages)
        await slack.slash(ada, general, "/parley", "set temperature 0.2")
        await sink.wait_for(lambda: sink.commands)
        ada.owner, ada.guest = False, True
        await asyncio.sleep(FORGETFUL.rights + 0.1)
        await slack.slash(ada, general, "/parley", "set temperature 0.3")
        await sink.wait_for(lambda: len(sink.commands) == 2)
        await slack.say(ada, general, "!set temperature 0.3", mention=True)
        message = (await eventually(lambda: [said for said in sink.messages if said.text.endswith("0.3")]))[0]
        assert [command.author.is_admin for command in sink.commands] == [True, False]
        assert sink.commands[1].author.roles == frozenset({"guest"})
        assert sink.messages[0].author.runs_workspace
        assert not message.author.runs_workspace
        assert message.author.roles == frozenset({"guest"})


async def test_where_rights_cannot_be_had_again_the_name_stays_and_the_rights_go(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, general = slack.add_user("ada", owner=True), slack.add_channel("general")
    async with running(slack, sink, FORGETFUL):
        await slack.slash(ada, general, "/parley", "set temperature 0.2")
        await sink.wait_for(lambda: sink.commands)
        slack.faults.add("users.info", Fault("answer", 500))
        await asyncio.sleep(FORGETFUL.rights + 0.1)
        await slack.slash(ada, general, "/parley", "set temperature 0.3")
        await sink.wait_for(lambda: len(sink.commands) == 2)
        first, second = (command.author for command in sink.commands)
        assert (first.name, first.is_admin, first.runs_workspace) == ("ada", True, True)
        assert (second.name, second.is_admin, second.runs_workspace, second.roles) == ("ada", False, False, None)


async def test_messages_in_quick_succession_ask_once_who_wrote_them_and_once_whom_they_name(
    slack: SlackWorkspace, sink: RecordingSink
) -> None:
    ada, bob, general = slack.add_user("ada"), slack.add_user("bob"), slack.add_channel("general")
    async with running(slack, sink):
        before = calls(slack, "users.info")
        for number in range(5):
            await slack.say(ada, general, f"ask <@{bob.id}> for number {number}", mention=True)
        await sink.wait_for(lambda: {f"ask @bob for number {n}" for n in range(5)} <= {m.text for m in sink.messages})
        assert calls(slack, "users.info") == before + 2

"""Socket Mode as the SDK meets it: hello, acks, redelivery, several connections, and every way a connection ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from emulators.faults import Fault
from emulators.slack import Channel, SlackWorkspace, Timing, Upload, User
from tests.emulators.test_slack_contract import bolt, client_of, error_of

PATIENT = Timing(ack_deadline=5.0, redelivery=(0.0, 0.05, 0.1), disconnect_warning=0.2)
HASTY = replace(PATIENT, ack_deadline=0.15, trigger_life=0.2)
hasty = pytest.mark.parametrize("slack", [HASTY], indirect=True)
"""For a test that waits for a deadline to pass; every other test gets one that no busy machine misses."""
PINGING = replace(PATIENT, ping_interval=0.05)
pinging = pytest.mark.parametrize("slack", [PINGING], indirect=True)
"""For a test that is about pings: a bare socket that nobody reads does not answer them and is closed."""


@pytest.fixture
async def slack(request: pytest.FixtureRequest) -> AsyncIterator[SlackWorkspace]:
    async with SlackWorkspace(timing=getattr(request, "param", PATIENT)) as workspace:
        yield workspace


@pytest.fixture
def alice(slack: SlackWorkspace) -> User:
    return slack.add_user("alice")


@pytest.fixture
def general(slack: SlackWorkspace, alice: User) -> Channel:
    return slack.add_channel("general")


async def socket_of(slack: SlackWorkspace, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    """A bare websocket, for what the SDK hides or would never do."""
    answer = await client_of(slack).apps_connections_open(app_token=slack.app_token)
    return await session.ws_connect(answer["url"])


async def frame_of(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """The next frame of that type."""
    async with asyncio.timeout(3):
        while True:
            frame: dict[str, Any] = await socket.receive_json()
            if frame["type"] == kind:
                return frame


async def test_hello_tells_the_number_of_connections_and_the_app(slack: SlackWorkspace) -> None:
    async with aiohttp.ClientSession() as session:
        first, second = await socket_of(slack, session), await socket_of(slack, session)
        assert (await frame_of(first, "hello"))["num_connections"] == 1
        hello = await frame_of(second, "hello")
        assert hello["num_connections"] == 2
        assert hello["connection_info"] == {"app_id": slack.app_id}
        assert "debug_info" in hello
        await first.close()
        await second.close()


async def test_a_bolt_app_gets_a_message_and_its_ack_is_noted(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    async with bolt(slack) as bot:
        said = await slack.say(alice, general, "good morning")
        await slack.wait_for(lambda: bot.events)
        (delivery,) = slack.deliveries
        await slack.wait_for(lambda: delivery.acked)
    event = bot.events[0]
    assert (event["type"], event["ts"], event["channel_type"], event["user"]) == (
        "message",
        said.ts,
        "channel",
        alice.id,
    )
    assert [attempt.fate for attempt in delivery.attempts] == ["acked"]
    assert slack.acks[0].payload is None
    assert slack.complaints == []


async def test_a_mention_comes_as_two_events_in_the_order_asked_for(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    file = Upload("notes.txt", b"notes")
    first = await slack.say(alice, general, "one", mention=True, files=[file])
    await slack.say(alice, general, "two", mention=True, order="mention_first")
    await slack.say(alice, general, "three", mention=True, paired=False)
    kinds = [delivery.event["type"] for delivery in slack.deliveries]
    assert kinds == ["message", "app_mention", "app_mention", "message", "app_mention"]
    assert len({delivery.event_id for delivery in slack.deliveries}) == 5
    message, mention = slack.deliveries[0].event, slack.deliveries[1].event
    assert message["ts"] == mention["ts"] == first.ts
    assert message["subtype"] == "file_share"
    assert message["files"][0]["name"] == "notes.txt"
    assert "files" not in mention
    assert "channel_type" not in mention


async def test_a_direct_message_comes_as_one_message_event(slack: SlackWorkspace, alice: User) -> None:
    await slack.say(alice, slack.open_dm(alice), "hello", mention=True)
    (delivery,) = slack.deliveries
    assert (delivery.event["type"], delivery.event["channel_type"]) == ("message", "im")


async def test_only_what_the_app_subscribed_to_and_is_in_is_sent(slack: SlackWorkspace, alice: User) -> None:
    elsewhere = slack.add_channel("elsewhere", bot=False)
    secret = slack.add_channel("secret", private=True)
    await slack.say(alice, elsewhere, "no bot here", mention=True)
    slack.subscriptions -= {"message.groups", "app_mention"}
    await slack.say(alice, secret, "not subscribed", mention=True)
    assert slack.deliveries == []


@hasty
async def test_an_event_without_ack_comes_again_with_the_same_event_id_and_a_reason(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    async with aiohttp.ClientSession() as session:
        socket = await socket_of(slack, session)
        await slack.wait_connected()
        await slack.say(alice, general, "anyone?")
        frames = [await frame_of(socket, "events_api") for _ in range(4)]
        (delivery,) = slack.deliveries
        await slack.wait_for(lambda: delivery.state == "failed")
        await socket.close()
    assert [(f["retry_attempt"], f["retry_reason"]) for f in frames] == [
        (0, ""),
        (1, "timeout"),
        (2, "timeout"),
        (3, "timeout"),
    ]
    assert len({frame["payload"]["event_id"] for frame in frames}) == 1
    assert len({frame["envelope_id"] for frame in frames}) == 4
    assert [attempt.fate for attempt in delivery.attempts] == ["timeout"] * 4


@hasty
async def test_an_ack_after_the_deadline_is_late_and_stops_nothing(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    async with aiohttp.ClientSession() as session:
        socket = await socket_of(slack, session)
        await slack.wait_connected()
        await slack.say(alice, general, "anyone?")
        first = await frame_of(socket, "events_api")
        second = await frame_of(socket, "events_api")
        await socket.send_json({"envelope_id": first["envelope_id"]})
        await socket.send_json({"envelope_id": second["envelope_id"]})
        (delivery,) = slack.deliveries
        await slack.wait_for(lambda: delivery.acked)
        await socket.close()
    assert [ack.late for ack in slack.acks] == [True, False]
    assert [attempt.fate for attempt in delivery.attempts] == ["timeout", "acked"]


@hasty
async def test_a_bolt_app_without_a_listener_leaves_the_event_unacknowledged(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    slack.subscriptions.add("reaction_added")
    async with bolt(slack):
        said = await slack.say(alice, general, "hm")
        await slack.react(alice, said, "thumbsup")
        reaction = slack.deliveries[-1]
        await slack.wait_for(lambda: reaction.state == "failed")
    assert reaction.event["item"] == {"type": "message", "channel": general.id, "ts": said.ts}
    assert slack.undelivered == [reaction]


async def test_frames_that_are_no_acks_are_complained_of(slack: SlackWorkspace) -> None:
    async with aiohttp.ClientSession() as session:
        socket = await socket_of(slack, session)
        for frame in ("nonsense", "{}", '{"envelope_id": "never-sent"}'):
            await socket.send_str(frame)
        await slack.wait_for(lambda: len(slack.complaints) == 3)
        await socket.close()


async def test_an_ack_with_a_payload_where_none_is_accepted_is_complained_of(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    async with aiohttp.ClientSession() as session:
        socket = await socket_of(slack, session)
        await slack.wait_connected()
        await slack.say(alice, general, "anyone?")
        frame = await frame_of(socket, "events_api")
        await socket.send_json({"envelope_id": frame["envelope_id"], "payload": {"text": "no"}})
        assert "accepts none" in (await slack.wait_for(lambda: slack.complaints))[0]
        await socket.close()


async def test_each_envelope_goes_to_one_of_the_connections_in_turn(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    async with bolt(slack) as one, bolt(slack) as two:
        for number in range(6):
            await slack.say(alice, general, f"line {number}")
        await slack.wait_for(lambda: len(one.events) + len(two.events) == 6)
        await slack.wait_for(lambda: slack.undelivered == [])
    assert len(one.events) == len(two.events) == 3
    assert {event["text"] for event in one.events + two.events} == {f"line {number}" for number in range(6)}


async def test_an_eleventh_connection_is_refused(slack: SlackWorkspace) -> None:
    async with aiohttp.ClientSession() as session:
        sockets = [await socket_of(slack, session) for _ in range(10)]
        await slack.wait_connected(10)
        one_more = await socket_of(slack, session)
        assert (await frame_of(one_more, "disconnect"))["reason"] == "too_many_websockets"
        assert (await one_more.receive()).type is aiohttp.WSMsgType.CLOSE
        assert len(slack.connections) == 10
        await asyncio.gather(*(socket.close() for socket in [*sockets, one_more]))


async def test_a_ticket_opens_one_websocket_only(slack: SlackWorkspace) -> None:
    url = (await client_of(slack).apps_connections_open(app_token=slack.app_token))["url"]
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(url)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)
        await socket.close()
    assert "used before" in slack.complaints[0]


@pytest.mark.parametrize("reason", ["refresh_requested", "link_disabled", "warning"])
async def test_a_bolt_app_comes_back_after_a_disconnect(
    slack: SlackWorkspace, alice: User, general: Channel, reason: Any
) -> None:
    async with bolt(slack) as bot:
        first = slack.connections[0].number
        await slack.disconnect(reason)
        await slack.wait_for(lambda: [c.number for c in slack.connections if c.number != first])
        await slack.wait_for(lambda: len(slack.connections) == 1)
        await slack.say(alice, general, "still there?")
        await slack.wait_for(lambda: bot.events)


async def test_a_warning_is_followed_by_the_refresh_and_the_close(slack: SlackWorkspace) -> None:
    async with aiohttp.ClientSession() as session:
        socket = await socket_of(slack, session)
        await slack.wait_connected()
        await slack.disconnect("warning")
        assert (await frame_of(socket, "disconnect"))["reason"] == "warning"
        assert slack.connections
        assert (await frame_of(socket, "disconnect"))["reason"] == "refresh_requested"
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        await slack.wait_for(lambda: not slack.connections)


async def test_a_bolt_app_comes_back_after_its_socket_was_cut(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    async with bolt(slack, ping_interval=0.1) as bot:
        assert slack.drop_connections() == 1
        await slack.say(alice, general, "into the gap")
        await slack.wait_connected()
        await slack.wait_for(lambda: bot.events)
    assert slack.deliveries[0].attempts[0].fate == "no_connection"


@hasty
async def test_a_bolt_app_leaves_a_silent_socket_and_what_went_into_it_comes_again(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    async with bolt(slack, ping_interval=0.1) as bot:
        slack.go_silent()
        await slack.say(alice, general, "hello?")
        await slack.wait_for(lambda: bot.events)
    assert slack.deliveries[0].attempts[0].fate == "timeout"


@pinging
async def test_a_mute_socket_answers_pings_and_takes_acks_but_says_nothing_of_its_own(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    async with aiohttp.ClientSession() as session:
        url = (await client_of(slack).apps_connections_open(app_token=slack.app_token))["url"]
        socket = await session.ws_connect(url, autoping=False)
        await slack.say(alice, general, "before")
        envelope = await frame_of(socket, "events_api")
        slack.go_mute()
        await socket.send_json({"envelope_id": envelope["envelope_id"]})
        await slack.wait_for(lambda: slack.deliveries[0].acked)
        await slack.say(alice, general, "after")
        await asyncio.sleep(3 * PINGING.ping_interval)
        await socket.ping(b"still there?")
        while (answer := await socket.receive(timeout=3)).type is aiohttp.WSMsgType.PING:
            pass  # from before
        assert (answer.type, answer.data) == (aiohttp.WSMsgType.PONG, b"still there?")
        assert not slack.deliveries[1].acked
        await socket.close()


@hasty
async def test_a_deaf_socket_goes_on_sending_and_reads_neither_acks_nor_pings(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    async with aiohttp.ClientSession() as session:
        url = (await client_of(slack).apps_connections_open(app_token=slack.app_token))["url"]
        socket = await session.ws_connect(url, autoping=False)
        await frame_of(socket, "hello")
        slack.go_deaf()
        await socket.ping(b"do you hear me?")
        await slack.say(alice, general, "hello")
        kinds = []
        while len(slack.deliveries[0].attempts) < 2:
            message = await socket.receive(timeout=3)
            kinds.append(message.type)
            if message.type is aiohttp.WSMsgType.TEXT:
                await socket.send_json({"envelope_id": message.json()["envelope_id"]})
        assert aiohttp.WSMsgType.TEXT in kinds
        assert aiohttp.WSMsgType.PONG not in kinds
        assert slack.acks == []
        slack.go_silent(False)
        await slack.wait_for(lambda: slack.acks)
        await socket.close()


async def test_the_next_sockets_can_be_told_how_to_behave(slack: SlackWorkspace) -> None:
    slack.next_sockets("silent")
    async with aiohttp.ClientSession() as session:
        mum, well = await socket_of(slack, session), await socket_of(slack, session)
        await frame_of(well, "hello")
        with pytest.raises(TimeoutError):
            await mum.receive(timeout=0.2)
        await well.close()
        await mum.close()


async def test_refused_handshakes_keep_their_ticket_for_later(slack: SlackWorkspace) -> None:
    slack.accept_connections(False)
    url = (await client_of(slack).apps_connections_open(app_token=slack.app_token))["url"]
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)
        slack.accept_connections(True)
        socket = await session.ws_connect(url)
        await slack.wait_connected()
        await socket.close()


async def test_with_drop_unconnected_an_event_that_finds_no_socket_is_lost() -> None:
    async with SlackWorkspace(timing=PATIENT, drop_unconnected=True) as slack:
        user = slack.add_user("bob")
        await slack.say(user, slack.add_channel("general"), "anyone?")
        await slack.wait_for(lambda: slack.deliveries[0].state == "dropped")
        assert slack.deliveries[0].attempts == []


@pinging
async def test_pings_go_both_ways(slack: SlackWorkspace) -> None:
    async with aiohttp.ClientSession() as session:
        url = (await client_of(slack).apps_connections_open(app_token=slack.app_token))["url"]
        socket = await session.ws_connect(url, autoping=False)
        await frame_of(socket, "hello")
        await socket.ping(b"sdk-ping-pong:1.5")
        heard = [await socket.receive(), await socket.receive()]
        answers = {message.type: message.data for message in heard}
        assert answers[aiohttp.WSMsgType.PONG] == b"sdk-ping-pong:1.5"
        assert aiohttp.WSMsgType.PING in answers
        await slack.wait_for(lambda: "four pings" in " ".join(slack.complaints))
        assert (await frame_or_close(socket)).type is aiohttp.WSMsgType.CLOSE
        await socket.close()


async def frame_or_close(socket: aiohttp.ClientWebSocketResponse) -> aiohttp.WSMessage:
    """The next frame that is no ping."""
    while (message := await socket.receive()).type is aiohttp.WSMsgType.PING:
        pass
    return message


async def test_the_same_message_can_be_redelivered_with_its_event_id(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    async with bolt(slack) as bot:
        said = await slack.say(alice, general, "once", mention=True)
        await slack.wait_for(lambda: len(bot.bodies) == 2)
        again = await slack.redeliver(said, kind="app_mention")
        await slack.wait_for(lambda: len(bot.bodies) == 3)
    mentions = [body["event_id"] for body in bot.bodies if body["event"]["type"] == "app_mention"]
    assert mentions == [again.event_id, again.event_id]


async def test_malformed_events_reach_the_app_as_they_are(slack: SlackWorkspace) -> None:
    async with aiohttp.ClientSession() as session:
        socket = await socket_of(slack, session)
        await slack.wait_connected()
        await frame_of(socket, "hello")
        await slack.send_raw("{not json")
        assert (await socket.receive()).data == "{not json"
        assert await slack.send_raw({"envelope_id": "e1", "type": "events_api"}) is None
        assert await socket.receive_json() == {"envelope_id": "e1", "type": "events_api"}
        delivery = await slack.send_raw({"event": "not an object"})
        frame = await frame_of(socket, "events_api")
        assert frame["payload"] == {"event": "not an object"}
        await socket.send_json({"envelope_id": frame["envelope_id"]})
        assert delivery is not None
        await slack.wait_for(lambda: delivery.acked)
        await socket.close()


async def test_an_edit_and_a_deletion_are_told_with_what_was_before(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    said = await slack.say(alice, general, "teh")
    await slack.edit(alice, said, "the")
    await slack.delete(said)
    changed, deleted = slack.deliveries[1].event, slack.deliveries[2].event
    assert changed["subtype"] == "message_changed"
    assert (changed["previous_message"]["text"], changed["message"]["text"]) == ("teh", "the")
    assert changed["message"]["edited"]["user"] == alice.id
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", said.ts)
    assert slack.messages(general) == []


async def test_a_deleted_parent_leaves_a_tombstone_until_its_last_reply_goes(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    parent = await slack.say(alice, general, "question")
    reply = await slack.say(alice, general, "and another thing", thread_ts=parent.ts)
    await slack.delete(parent)
    tombstone = slack.deliveries[-1].event
    assert tombstone["subtype"] == "message_changed"
    assert (tombstone["message"]["subtype"], tombstone["message"]["user"]) == ("tombstone", "USLACKBOT")
    await slack.delete(reply)
    assert [d.event["deleted_ts"] for d in slack.deliveries[-2:]] == [reply.ts, parent.ts]


async def test_a_preview_is_a_change_without_an_edit(slack: SlackWorkspace, alice: User, general: Channel) -> None:
    said = await slack.say(alice, general, "see https://example.com/a?b=1&c=2")
    assert said.text == "see <https://example.com/a?b=1&amp;c=2>"
    await slack.unfurl(said, "https://example.com/a")
    event = slack.deliveries[-1].event
    assert event["subtype"] == "message_changed"
    assert "edited" not in event["message"]
    assert event["message"]["attachments"][0]["from_url"] == "https://example.com/a"


async def test_a_failed_handshake_can_be_ordered(slack: SlackWorkspace) -> None:
    slack.faults.add("link", Fault(status=502))
    url = (await client_of(slack).apps_connections_open(app_token=slack.app_token))["url"]
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)


async def test_a_command_is_acknowledged_and_answered(slack: SlackWorkspace, alice: User, general: Channel) -> None:
    async with bolt(slack) as bot:

        async def run(ack: Any, respond: Any, command: dict[str, Any]) -> None:
            await ack(f"on it: {command['text']}")
            await respond("done", response_type="in_channel")

        bot.app.command("/parley")(run)
        delivery = await slack.slash(alice, general, "/parley", "show all")
        await slack.wait_for(lambda: slack.bot_messages(general))
    assert delivery.acked
    assert [(m.text, m.ephemeral_to) for m in slack.ephemerals] == [("on it: show all", alice.id)]
    assert [m.text for m in slack.bot_messages(general)] == ["done"]


@hasty
async def test_a_command_nobody_acknowledges_fails_once_and_for_all(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    async with bolt(slack):
        unknown = await slack.slash(alice, general, "/nobody")
        await asyncio.sleep(0.2)
    assert (unknown.state, len(unknown.attempts)) == ("failed", 1)


async def test_a_press_carries_the_message_and_its_value(slack: SlackWorkspace, alice: User, general: Channel) -> None:
    button = {"type": "button", "action_id": "again", "value": "7", "text": {"type": "plain_text", "text": "Again"}}
    async with bolt(slack) as bot:
        pressed: list[dict[str, Any]] = []

        async def again(ack: Any, body: dict[str, Any], respond: Any) -> None:
            await ack()
            pressed.append(body)
            await respond("answered", replace_original=True)

        bot.app.action("again")(again)
        await client_of(slack).chat_postMessage(
            channel=general.id, text="shall I?", blocks=[{"type": "actions", "elements": [button]}]
        )
        (asked,) = slack.bot_messages(general)
        assert (await slack.press(alice, asked, "again")).acked
        await slack.wait_for(lambda: asked.text == "answered")
        with pytest.raises(LookupError):
            await slack.press(alice, asked, "gone")
    (action,) = pressed[0]["actions"]
    assert (action["value"], action["type"], pressed[0]["message"]["ts"]) == ("7", "button", asked.ts)
    assert pressed[0]["container"]["channel_id"] == general.id


async def test_a_modal_is_opened_by_a_fresh_trigger_and_submitted(
    slack: SlackWorkspace, alice: User, general: Channel
) -> None:
    title = {"type": "plain_text", "text": "Settings"}
    field = {
        "type": "input",
        "block_id": "b",
        "label": {"type": "plain_text", "text": "Model"},
        "element": {"type": "plain_text_input", "action_id": "a"},
    }
    view = {"type": "modal", "callback_id": "settings", "title": title, "submit": title, "blocks": [field]}
    async with bolt(slack) as bot:
        submitted: list[dict[str, Any]] = []

        async def open_it(ack: Any, command: dict[str, Any], client: Any) -> None:
            await ack()
            await client.views_open(trigger_id=command["trigger_id"], view=view)
            assert (
                await error_of(client.views_open(trigger_id=command["trigger_id"], view=view)) == "exchanged_trigger_id"
            )

        async def submit(ack: Any, view: dict[str, Any]) -> None:
            await ack(response_action="clear")
            submitted.append(view)

        bot.app.command("/parley")(open_it)
        bot.app.view("settings")(submit)
        await slack.slash(alice, general, "/parley")
        (opened,) = await slack.wait_for(lambda: slack.views)
        delivery = await slack.submit_view(alice, opened, {"b": {"a": {"type": "plain_text_input", "value": "small"}}})
    assert delivery.response == {"response_action": "clear"}
    assert submitted[0]["state"]["values"]["b"]["a"]["value"] == "small"


@hasty
async def test_a_trigger_that_is_late_or_made_up_opens_nothing(slack: SlackWorkspace, alice: User) -> None:
    view = {"type": "modal", "title": {"type": "plain_text", "text": "Settings"}, "blocks": []}
    late = slack.new_trigger(alice.id)
    await asyncio.sleep(0.25)
    assert await error_of(client_of(slack).views_open(trigger_id=late, view=view)) == "expired_trigger_id"
    assert await error_of(client_of(slack).views_open(trigger_id="1.2.x", view=view)) == "invalid_trigger_id"

"""What Slack's Socket Mode may send, sound at first and then spoiled, as hypothesis strategies over one workspace.

The sound shapes are the emulator's own builders, which the platform's documents check.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from emulators.slack import SlackWorkspace, events
from emulators.slack import text as markup
from emulators.slack.model import Channel, File, Json, Message, User
from tests.fuzz.spoiling import JUNK, MARK, OWN, TEXTS, garbled, spoiled

SUBTYPES = [
    *("assistant_app_thread", "bot_add", "bot_disable", "bot_enable", "bot_message", "bot_remove"),
    *("channel_archive", "channel_convert_to_private", "channel_join", "channel_leave", "channel_name"),
    *("channel_posting_permissions", "channel_purpose", "channel_topic", "channel_unarchive", "document_mention"),
    *("ekm_access_denied", "file_comment", "file_mention", "file_share", "group_archive", "group_join", "group_leave"),
    *("group_name", "group_purpose", "group_topic", "group_unarchive", "huddle_thread", "me_message"),
    *("message_replied", "pinned_item", "reminder_add", "reply_broadcast", "sh_room_created", "thread_broadcast"),
    *("unpinned_item", "tombstone", "message_changed", "message_deleted"),
]
"""https://docs.slack.dev/reference/events/message, and what Slack sends beside."""

UNKNOWN = [
    "team_join",
    "channel_rename",
    "emoji_changed",
    "link_shared",
    "app_uninstalled",
    "agent_session_stopped",
    "",
]
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Scene:
    """A workspace with somebody in it, the channel where the storm rages, and their direct conversation."""

    slack: SlackWorkspace
    ada: User
    storm: Channel
    direct: Channel

    @classmethod
    def of(cls, slack: SlackWorkspace) -> Scene:
        """Set in a workspace, whether or not it is open."""
        ada = slack.add_user("ada", admin=True)
        return cls(slack, ada, slack.add_channel("storm"), slack.open_dm(ada))


@st.composite
def messages(draw: st.DrawFn, scene: Scene) -> Message:
    """A message as somebody or some bot might have posted it, of any subtype; it is in no store."""
    slack, text = scene.slack, draw(TEXTS)
    channel = draw(st.sampled_from([scene.storm, scene.storm, scene.direct]))
    if draw(st.booleans()):
        text = f"<@{slack.bot.id}> {text}"
    message = Message(
        channel=channel.id,
        ts=slack.new_ts(),
        user=draw(st.sampled_from([scene.ada.id, scene.ada.id, scene.ada.id, slack.bot.id, "USLACKBOT", "W0OTHER"])),
        text=text,
        bot_id=draw(st.sampled_from([None, None, None, "B0OTHER"])),
        subtype=draw(st.none() | st.sampled_from(SUBTYPES)),
        client_msg_id=draw(st.sampled_from([None, "6a1f"])),
    )
    if draw(st.booleans()):
        message.thread_ts = draw(st.sampled_from([message.ts, "1700000000.000100"]))
    if draw(st.booleans()):
        message.blocks = [
            *markup.rich_text(text[:500], "b1"),
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": text[:3000]},
                "fields": [{"type": "plain_text", "text": "a"}],
            },
            {"type": "table", "rows": [[{"type": "raw_text", "text": "a"}, {"type": "rich_text", "elements": []}]]},
            {"type": "context", "elements": [{"type": "image", "alt_text": "a"}, {"type": "mrkdwn", "text": "b"}]},
            {"type": "header", "text": {"type": "plain_text", "text": "h"}},
        ]
    if draw(st.booleans()):
        message.attachments = [
            {
                "fallback": "f",
                "title": "t",
                "title_link": "https://example.com",
                "text": text[:200],
                "fields": [{"title": "a", "value": "b"}],
            }
        ]
    if draw(st.booleans()):
        message.files = [File("F0FUZZ", "notes.txt", "text/plain", scene.ada.id, b"abc")]
        scene.slack.files |= {file.id: file for file in message.files}
    if draw(st.booleans()):
        message.edited = {"user": scene.ada.id, "ts": message.ts}
    if draw(st.booleans()):
        message.reactions = {"eyes": [scene.ada.id]}
    return message


@st.composite
def sound_events(draw: st.DrawFn, scene: Scene) -> Json:
    """An event's inner payload."""
    slack, message = scene.slack, draw(messages(scene))
    match draw(
        st.sampled_from(
            ["message", "message", "mention", "changed", "deleted", "tombstone", "reaction", "home", "unknown"]
        )
    ):
        case "message":
            return events.message_event(slack, message)
        case "mention":
            return events.app_mention(slack, message)
        case "changed":
            return events.message_changed(slack, message, events.message_json(slack, draw(messages(scene))))
        case "deleted":
            return events.message_deleted(slack, message, events.message_json(slack, message))
        case "tombstone":
            before = events.message_json(slack, message)
            message.text, message.subtype, message.user = "This message was deleted.", "tombstone", "USLACKBOT"
            return events.message_changed(slack, message, before)
        case "reaction":
            kind = draw(st.sampled_from(["reaction_added", "reaction_removed"]))
            return events.reaction(slack, kind, scene.ada.id, message, "eyes")
        case "home":
            return {
                "type": "app_home_opened",
                "user": scene.ada.id,
                "channel": scene.direct.id,
                "tab": "home",
                "event_ts": "1.1",
            }
        case _:
            return {"type": draw(st.sampled_from(UNKNOWN)), "user": scene.ada.id, "text": MARK, "event_ts": "1.1"}


def callbacks(scene: Scene) -> st.SearchStrategy[Any]:
    """An event's whole payload, spoiled."""
    return spoiled(sound_events(scene).map(lambda event: events.callback(scene.slack, event, f"Ev{next(_numbers):09}")))


def rows(scene: Scene) -> st.SearchStrategy[Any]:
    """A row of a conversation's history, spoiled."""
    return spoiled(messages(scene).map(lambda message: events.message_json(scene.slack, message)))


@st.composite
def commands(draw: st.DrawFn, scene: Scene) -> Json:
    """A slash command's payload; its answer goes to nobody."""
    words = st.sampled_from(["help", "show", "set model x", 'set system "a b"', "reset", "nonsense", MARK]) | TEXTS
    address = draw(st.sampled_from(["http://127.0.0.1:1/x", "http://[", "http://\ud800/", "ftp://a", "http://a b", ""]))
    return events.slash_command(scene.slack, scene.ada, scene.storm, "/parley", draw(words), response_url=address)


@st.composite
def interactions(draw: st.DrawFn, scene: Scene) -> Json:
    """A press, a modal sent off, or a shortcut."""
    slack, message = scene.slack, draw(messages(scene))
    match draw(st.sampled_from(["press", "modal", "shortcut", "suggestion"])):
        case "press":
            name = draw(st.sampled_from(["stop", "parley_settings"]))
            action = {"type": "button", "action_id": name, "block_id": "b", "value": MARK}
            return events.block_actions(slack, scene.ada, message, action, response_url="http://127.0.0.1:1/x")
        case "modal":
            metadata = json.dumps({"form": "settings", "channel": scene.storm.id, "thread": None, "home": False})
            view = {
                "id": "V1",
                "type": "modal",
                "callback_id": draw(st.sampled_from(["settings", "parley_form"])),
                "private_metadata": draw(st.sampled_from([metadata, MARK, "[1]", "{}"])),
                "title": {"type": "plain_text", "text": "Settings"},
                "blocks": [],
            }
            return events.view_submission(
                slack, scene.ada, view, {"1:a": {"a": {"type": "plain_text_input", "value": MARK}}}
            )
        case kind:
            name = "message_action" if kind == "shortcut" else "block_suggestion"
            return {
                "type": name,
                "callback_id": "ask",
                "user": {"id": scene.ada.id},
                "team": {"id": slack.team_id},
                "trigger_id": "1.1",
            }


@st.composite
def envelopes(draw: st.DrawFn, scene: Scene) -> Any:
    """An envelope of any kind with a spoiled payload; each second one is spoiled as a whole."""
    kind = draw(
        st.sampled_from(["events_api", "events_api", "events_api", "slash_commands", "interactive", "unheard_of"])
    )
    payloads = {
        "events_api": callbacks(scene),
        "slash_commands": spoiled(commands(scene)),
        "interactive": spoiled(interactions(scene)),
    }
    number = next(_numbers)
    envelope: Json = {"envelope_id": f"fuzz-{number:09}", "type": kind, "payload": draw(payloads.get(kind, JUNK))}
    envelope |= {"accepts_response_payload": False, "retry_attempt": 0, "retry_reason": ""}
    return draw(spoiled(st.just(envelope), most=2)) if draw(st.booleans()) else envelope


def _control() -> st.SearchStrategy[Any]:
    hello = {"type": "hello", "num_connections": 1, "debug_info": {"host": "x"}, "connection_info": {"app_id": "A0"}}
    goodbye = {"type": "disconnect", "reason": "refresh_requested", "debug_info": {"host": "x"}}
    return st.one_of(spoiled(st.just(hello)), spoiled(st.just(goodbye)), st.just({"type": "pong"}), JUNK)


def frames(scene: Scene) -> st.SearchStrategy[str | bytes]:
    """One websocket frame: a text, mostly an envelope, or bytes."""
    whole = envelopes(scene).map(json.dumps)
    texts = st.one_of(whole, whole, whole, whole, _control().map(json.dumps), garbled(whole))
    return st.one_of(texts, texts, texts, texts, texts, texts, texts, st.binary(max_size=60), st.sampled_from(OWN))

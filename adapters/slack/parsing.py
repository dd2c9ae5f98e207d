"""Slack's event payloads and history rows → the common message model. Pure: no I/O, and no JSON value makes it raise.

What people are called comes in as a mapping; looking it up is `names.py`. Turning Slack's notation into Markdown is
`inbound.py`. What cannot be understood, or is not speech, comes out as None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from adapters.endings import without_mentions_at_end
from adapters.slack import quotes
from adapters.slack.file_objects import parse_file
from adapters.slack.inbound import mentioned_channels, mentioned_ids, text_of_blocks, to_markdown
from adapters.slack.people import Person, read_person
from adapters.slack.rendering import CUT
from adapters.slack.values import clean, fields, identifier, timestamp
from bot.messages import (
    Address,
    Attachment,
    Author,
    IncomingMessage,
    MessageDeleted,
    MessageEdited,
    ReactionAdded,
    ReactionRemoved,
)

PLATFORM = "slack"

# https://docs.slack.dev/reference/events/message lists the subtypes; these are the ones in which somebody speaks.
_SPEECH = frozenset({None, "file_share", "thread_broadcast", "me_message", "bot_message"})
_SLACKBOT = "USLACKBOT"
# Channels that are named without their name are asked for likewise (`conversations.info`, 50 a minute).
_MOST_CHANNELS = 5
# Everybody who is named is asked for with a call of its own (`users.info`, 100 a minute): the rest stay `@someone`.
_MOST_PEOPLE = 30

_CROWD = re.compile(r"<!(?:here|channel|everyone|subteam\^)")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is, as `auth.test` says; `bot_id` is the id its messages carry beside the user's."""

    user_id: str
    bot_id: str = ""
    name: str = "Parley"
    team_id: str = ""
    team_name: str = ""


def parse_event(
    payload: object,
    me: Identity,
    people: Mapping[str, Person] | None = None,
    channels: Mapping[str, str] | None = None,
) -> IncomingMessage | MessageEdited | MessageDeleted | None:
    """The event of an `events_api` envelope's payload, or None where it is nothing for us.

    `app_mention` and `message` of one post come to the same message. `channels` are names by ids.
    """
    event = fields(fields(payload).get("event"))
    kind = event.get("type")
    channel = identifier(event.get("channel"))
    if kind not in ("message", "app_mention") or channel is None:
        return None
    place = _Place(
        _workspace(fields(payload), me), channel, event.get("channel_type") == "im" or channel.startswith("D")
    )
    match event.get("subtype"):
        case "message_changed":
            return _changed(event, place, me, people or {}, channels or {})
        case "message_deleted":
            return _deleted(event.get("deleted_ts"), event.get("previous_message"), place)
        case _:
            return _speech(event, place, me, people or {}, channels or {}, called=kind == "app_mention")


def parse_reaction(
    payload: object, me: Identity, people: Mapping[str, Person] | None = None
) -> ReactionAdded | ReactionRemoved | None:
    """A reaction to one of the bot's own messages, or its end; None for everything else.

    https://docs.slack.dev/reference/events/reaction_added: `item_user` is left out where nobody of the workspace wrote.
    """
    event = fields(fields(payload).get("event"))
    kind, item = event.get("type"), fields(event.get("item"))
    if kind not in ("reaction_added", "reaction_removed") or item.get("type") != "message":
        return None
    if event.get("item_user") not in (None, me.user_id):
        return None
    channel, ts, user = identifier(item.get("channel")), timestamp(item.get("ts")), identifier(event.get("user"))
    emoji = clean(event.get("reaction"))
    if channel is None or ts is None or user is None or not emoji:
        return None
    author = (people or {}).get(user, Person("", is_bot=user == me.user_id)).as_author(user)
    address = Address(PLATFORM, _workspace(fields(payload), me), channel)
    made = ReactionAdded if kind == "reaction_added" else ReactionRemoved
    return made(address, author, ts, emoji)


def parse_row(
    row: object,
    address: Address,
    me: Identity,
    people: Mapping[str, Person] | None = None,
    channels: Mapping[str, str] | None = None,
) -> IncomingMessage | None:
    """One row of `conversations.history` or `.replies`, read at `address`, as the event of it would have come."""
    place = _Place(address.workspace, address.channel, address.channel.startswith("D"))
    return _speech(fields(row), place, me, people or {}, channels or {}, called=False)


def people_in(source: object, me: Identity) -> tuple[str, ...]:
    """The user ids whose names are needed to parse a payload or a row: its author, those it mentions and quotes."""
    message = _message_in(source)
    author = None if message.get("bot_id") else identifier(message.get("user"))  # bots bring their names along
    found = [author, *mentioned_ids(_markup(message)), *quotes.people_in(message.get("attachments"))]
    known = dict.fromkeys(i for i in found if i and identifier(i) and i not in (me.user_id, _SLACKBOT))
    return tuple(known)[:_MOST_PEOPLE]


def channels_in(source: object) -> tuple[str, ...]:
    """The ids of the channels whose names are needed to parse a payload or a row."""
    message = _message_in(source)
    found = [*mentioned_channels(_markup(message)), *quotes.channels_in(message.get("attachments"))]
    return tuple(dict.fromkeys(found))[:_MOST_CHANNELS]


def _message_in(source: object) -> Mapping[str, Any]:
    event = fields(fields(source).get("event")) or fields(source)
    return fields(event.get("message")) or event


def is_ours(row: object, me: Identity) -> bool:
    """Whether a history row was posted by the bot itself."""
    message = fields(row)
    return message.get("user") == me.user_id or bool(me.bot_id and message.get("bot_id") == me.bot_id)


@dataclass(frozen=True, slots=True)
class _Place:
    workspace: str
    channel: str
    direct: bool

    def address(self, ts: str, thread_ts: object) -> Address:
        """In a channel every post opens a thread of its own; a direct message is one conversation."""
        thread = timestamp(thread_ts) or (None if self.direct else ts)
        return Address(PLATFORM, self.workspace, self.channel, thread)


def _speech(
    event: Mapping[str, Any],
    place: _Place,
    me: Identity,
    people: Mapping[str, Person],
    channels: Mapping[str, str],
    *,
    called: bool,
) -> IncomingMessage | None:
    subtype, ts = event.get("subtype"), timestamp(event.get("ts"))
    if not (subtype is None or isinstance(subtype, str)) or subtype not in _SPEECH or ts is None:
        return None
    author = _author(event, me, people)
    if author is None:
        return None
    markup = _markup(event)
    mentioned = set(mentioned_ids(markup))
    if me.user_id not in mentioned:
        mentioned.update(mentioned_ids(clean(text_of_blocks(event.get("blocks")))))
    mentions_bot = called or me.user_id in mentioned
    names = {**channels, **{user: person.name for user, person in people.items()}, me.user_id: me.name}
    return IncomingMessage(
        address=place.address(ts, event.get("thread_ts")),
        id=ts,
        author=author,
        text=to_markdown(_without_mention(markup, me.user_id), names).strip(),
        mentions_bot=mentions_bot,
        sent_at=datetime.fromtimestamp(float(ts), UTC),
        attachments=_files(event),
        edited=bool(fields(event.get("edited"))),
        edited_at=_edited_at(event),
        direct=place.direct,
        mentions_others=not mentions_bot and (bool(mentioned) or _CROWD.search(markup) is not None),
        carried=clean(quotes.in_markdown(event.get("attachments"), names)),
    )


def _changed(
    event: Mapping[str, Any],
    place: _Place,
    me: Identity,
    people: Mapping[str, Person],
    channels: Mapping[str, str],
) -> MessageEdited | MessageDeleted | None:
    message, before = fields(event.get("message")), fields(event.get("previous_message"))
    if message.get("subtype") == "tombstone":  # the first post of a thread that still has answers
        return _deleted(message.get("ts"), before or message, place)
    if before:
        # A link to a message brings what that one says a moment after it was posted.
        reworded = any(of(message) != of(before) for of in (_markup, _files))
        unchanged = not reworded and _quoted(message) == _quoted(before)
    else:
        reworded = bool(fields(message.get("edited")))
        unchanged = not reworded
    spoken = None if unchanged else _speech(message, place, me, people, channels, called=False)
    if spoken is None or spoken.author.is_bot:
        return None
    edited_at = _edited_at(message, event.get("event_ts") or event.get("ts"))
    # What a link brings along later is no edit of its author's.
    return MessageEdited(replace(spoken, edited=reworded, edited_at=edited_at))


def _edited_at(message: Mapping[str, Any], told_at: object = None) -> datetime | None:
    """When a message was given its wording; None where it was never edited.

    Slack says so to the second. When it told of it, `told_at`, puts the edits of one second in their order.
    """
    edited, told = timestamp(fields(message.get("edited")).get("ts")), timestamp(told_at)
    if edited is None or told is None:
        found = edited or told
        return None if found is None else datetime.fromtimestamp(float(found), UTC)
    second = int(float(edited))
    return datetime.fromtimestamp(min(max(float(edited), float(told)), second + 0.999999), UTC)


def _deleted(deleted_ts: object, previous: object, place: _Place) -> MessageDeleted | None:
    ts = timestamp(deleted_ts)
    return None if ts is None else MessageDeleted(place.address(ts, fields(previous).get("thread_ts")), ts)


def _author(event: Mapping[str, Any], me: Identity, people: Mapping[str, Person]) -> Author | None:
    user, bot = identifier(event.get("user")), identifier(event.get("bot_id"))
    if is_ours(event, me):
        return Author(me.user_id, me.name, is_bot=True)
    if bot is not None or event.get("subtype") == "bot_message" or user == _SLACKBOT:
        name = clean(event.get("username")) or clean(fields(event.get("bot_profile")).get("name"))
        known = user or bot
        name = name or ("Slackbot" if user == _SLACKBOT else "")
        return Author(known, name, is_bot=True) if known else None
    if user is None:
        return None
    person = people.get(user) or read_person({"profile": event.get("user_profile")}, "") or Person("")
    return person.as_author(user)


def _workspace(payload: Mapping[str, Any], me: Identity) -> str:
    """The workspace the bot is installed in: what history is read under must equal what events come under.

    An event's own `team`, `user_team` and the envelope's `team_id` may name the sender's workspace or an enterprise,
    and the two events of one mention need not agree.
    """
    if me.team_id.startswith("T"):
        return me.team_id
    authorizations = payload.get("authorizations")
    first = fields(authorizations[0]) if isinstance(authorizations, list) and authorizations else {}
    return identifier(first.get("team_id")) or identifier(payload.get("team_id")) or me.team_id


def _markup(message: Mapping[str, Any]) -> str:
    """The text in Slack's notation; where there is none, or its beginning alone, that of the blocks or attachments.

    What an application posts may say half of it in its text and half in attachments. What is quoted is not among it.
    """
    text, (_, others) = clean(message.get("text")), quotes.split(message.get("attachments"))
    if not text.strip() or text.endswith(CUT):
        of_blocks = clean(text_of_blocks(message.get("blocks"), list(others)))
        return of_blocks if len(of_blocks) > len(text) else text
    if not message.get("bot_id"):
        return text
    beside = clean(text_of_blocks(None, [each for each in others if not quotes.is_preview(each)]))
    return f"{text}\n{beside}" if beside else text


def _quoted(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return quotes.split(message.get("attachments"))[0]


def _without_mention(markup: str, user_id: str) -> str:
    """Take the bot's own mention off both ends; within a sentence it stays, to become the bot's name."""
    mention = rf"<@{re.escape(user_id)}(?:\|[^<>]*)?>"
    markup = re.sub(rf"\A\s*(?:{mention}[\s,:]*)+", "", markup)
    return without_mentions_at_end(markup, re.compile(mention))[0]


def _files(message: Mapping[str, Any]) -> tuple[Attachment, ...]:
    files = message.get("files")
    entries = [*(files if isinstance(files, list) else ()), *quotes.files_in(message.get("attachments"))]
    return tuple(parse_file(entry) for entry in entries if fields(entry))

"""Slack's event payloads and history rows → the common message model. Pure: no I/O, and no JSON value makes it raise.

What people are called comes in as a mapping; looking it up is `names.py`. Turning Slack's notation into Markdown is
`inbound.py`. What cannot be understood, or is not speech, comes out as None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from adapters.endings import without_mentions_at_end
from adapters.slack import quotes
from adapters.slack.inbound import mentioned_channels, mentioned_ids, text_of_blocks, to_markdown
from adapters.slack.rendering import CUT
from bot.messages import (
    Address,
    Attachment,
    Author,
    IncomingMessage,
    MessageDeleted,
    MessageEdited,
    Missing,
    ReactionAdded,
    ReactionRemoved,
)

PLATFORM = "slack"

# https://docs.slack.dev/reference/events/message lists the subtypes; these are the ones in which somebody speaks.
_SPEECH = frozenset({None, "file_share", "thread_broadcast", "me_message", "bot_message"})
_SLACKBOT = "USLACKBOT"
# https://docs.slack.dev/reference/objects/user-object; is_stranger, of those beyond the workspace, is read apart.
_OWNER = ("is_owner", "is_primary_owner")
_ADMIN = ("is_admin",)
_GUEST = ("is_restricted", "is_ultra_restricted")
# Channels that are named without their name are asked for likewise (`conversations.info`, 50 a minute).
_MOST_CHANNELS = 5
# Everybody who is named is asked for with a call of its own (`users.info`, 100 a minute): the rest stay `@someone`.
_MOST_PEOPLE = 30

# Files whose object holds no address, by its `mode`
# (https://docs.slack.dev/changelog/2019-03-wild-west-for-files-no-more) or its `file_access`
# (https://docs.slack.dev/apis/slack-connect/#check_file_info).
_FILE_MODES: Mapping[str, Missing] = {"tombstone": "deleted", "hidden_by_limit": "hidden"}
_FILE_ACCESS: Mapping[str, Missing] = {"file_not_found": "deleted", "check_file_info": "untold"}

_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TS = re.compile(r"[0-9]{1,10}\.[0-9]{1,9}")
_CROWD = re.compile(r"<!(?:here|channel|everyone|subteam\^)")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is, as `auth.test` says; `bot_id` is the id its messages carry beside the user's."""

    user_id: str
    bot_id: str = ""
    name: str = "Parley"
    team_id: str = ""
    team_name: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """What `users.info` says of somebody; see `Author` for `roles`."""

    name: str
    is_bot: bool = False
    is_admin: bool = False
    roles: frozenset[str] | None = None

    def as_author(self, user: str) -> Author:
        """The person as an author: Slack knows no admins of single channels, so who is one runs the whole."""
        return Author(user, self.name, self.is_bot, self.is_admin, self.is_admin, self.roles)

    def without_rights(self) -> Person:
        """What may be kept of somebody: not what they may do, which nobody knows then."""
        return Person(self.name, self.is_bot)


def parse_event(
    payload: object,
    me: Identity,
    people: Mapping[str, Person] | None = None,
    channels: Mapping[str, str] | None = None,
) -> IncomingMessage | MessageEdited | MessageDeleted | None:
    """The event of an `events_api` envelope's payload, or None where it is nothing for us.

    `app_mention` and `message` of one post come to the same message. `channels` are names by ids.
    """
    event = _dict(_dict(payload).get("event"))
    kind = event.get("type")
    channel = _identifier(event.get("channel"))
    if kind not in ("message", "app_mention") or channel is None:
        return None
    place = _Place(
        _workspace(_dict(payload), me), channel, event.get("channel_type") == "im" or channel.startswith("D")
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
    event = _dict(_dict(payload).get("event"))
    kind, item = event.get("type"), _dict(event.get("item"))
    if kind not in ("reaction_added", "reaction_removed") or item.get("type") != "message":
        return None
    if event.get("item_user") not in (None, me.user_id):
        return None
    channel, ts, user = _identifier(item.get("channel")), _timestamp(item.get("ts")), _identifier(event.get("user"))
    emoji = clean(event.get("reaction"))
    if channel is None or ts is None or user is None or not emoji:
        return None
    author = (people or {}).get(user, Person("", is_bot=user == me.user_id)).as_author(user)
    address = Address(PLATFORM, _workspace(_dict(payload), me), channel)
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
    return _speech(_dict(row), place, me, people or {}, channels or {}, called=False)


def people_in(source: object, me: Identity) -> tuple[str, ...]:
    """The user ids whose names are needed to parse a payload or a row: its author, those it mentions and quotes."""
    message = _message_in(source)
    author = None if message.get("bot_id") else _identifier(message.get("user"))  # bots bring their names along
    found = [author, *mentioned_ids(_markup(message)), *quotes.people_in(message.get("attachments"))]
    known = dict.fromkeys(i for i in found if i and _ID.fullmatch(i) and i not in (me.user_id, _SLACKBOT))
    return tuple(known)[:_MOST_PEOPLE]


def channels_in(source: object) -> tuple[str, ...]:
    """The ids of the channels whose names are needed to parse a payload or a row."""
    message = _message_in(source)
    found = [*mentioned_channels(_markup(message)), *quotes.channels_in(message.get("attachments"))]
    return tuple(dict.fromkeys(found))[:_MOST_CHANNELS]


def _message_in(source: object) -> Mapping[str, Any]:
    event = _dict(_dict(source).get("event")) or _dict(source)
    return _dict(event.get("message")) or event


def is_ours(row: object, me: Identity) -> bool:
    """Whether a history row was posted by the bot itself."""
    message = _dict(row)
    return message.get("user") == me.user_id or bool(me.bot_id and message.get("bot_id") == me.bot_id)


def order_of(ts: str) -> Decimal:
    """A message's id as a number to compare by; 0 where it is none."""
    return Decimal(ts) if _TS.fullmatch(ts) else Decimal(0)


def unescape(text: str) -> str:
    """Undo Slack's escaping of `& < >`."""
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    return text


def clean(value: object) -> str:
    """A string any database takes: no NUL, no half of a surrogate pair; "" for what is no string."""
    if not isinstance(value, str):
        return ""
    if value.isascii() and "\0" not in value:
        return value
    return value.replace("\0", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@dataclass(frozen=True, slots=True)
class _Place:
    workspace: str
    channel: str
    direct: bool

    def address(self, ts: str, thread_ts: object) -> Address:
        """In a channel every post opens a thread of its own; a direct message is one conversation."""
        thread = _timestamp(thread_ts) or (None if self.direct else ts)
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
    subtype, ts = event.get("subtype"), _timestamp(event.get("ts"))
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
        edited=bool(_dict(event.get("edited"))),
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
    message, before = _dict(event.get("message")), _dict(event.get("previous_message"))
    if message.get("subtype") == "tombstone":  # the first post of a thread that still has answers
        return _deleted(message.get("ts"), before or message, place)
    if before:
        # A link to a message brings what that one says a moment after it was posted.
        reworded = any(of(message) != of(before) for of in (_markup, _files))
        unchanged = not reworded and _quoted(message) == _quoted(before)
    else:
        reworded = bool(_dict(message.get("edited")))
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
    edited, told = _timestamp(_dict(message.get("edited")).get("ts")), _timestamp(told_at)
    if edited is None or told is None:
        found = edited or told
        return None if found is None else datetime.fromtimestamp(float(found), UTC)
    second = int(float(edited))
    return datetime.fromtimestamp(min(max(float(edited), float(told)), second + 0.999999), UTC)


def _deleted(deleted_ts: object, previous: object, place: _Place) -> MessageDeleted | None:
    ts = _timestamp(deleted_ts)
    return None if ts is None else MessageDeleted(place.address(ts, _dict(previous).get("thread_ts")), ts)


def _author(event: Mapping[str, Any], me: Identity, people: Mapping[str, Person]) -> Author | None:
    user, bot = _identifier(event.get("user")), _identifier(event.get("bot_id"))
    if is_ours(event, me):
        return Author(me.user_id, me.name, is_bot=True)
    if bot is not None or event.get("subtype") == "bot_message" or user == _SLACKBOT:
        name = clean(event.get("username")) or clean(_dict(event.get("bot_profile")).get("name"))
        known = user or bot
        name = name or ("Slackbot" if user == _SLACKBOT else "")
        return Author(known, name, is_bot=True) if known else None
    if user is None:
        return None
    person = people.get(user) or read_person({"profile": event.get("user_profile")}, "") or Person("")
    return person.as_author(user)


def read_person(user: object, team_id: str) -> Person | None:
    """A user object of Slack's; the display name goes before the real name, the handle comes last.

    `team_id` is the workspace the bot is in. Who is of another is a guest here, whatever they are at home: a channel
    may be shared between companies (https://docs.slack.dev/apis/slack-connect). Empty where it is not known: then
    nobody is known to be of it, and nobody is an admin whose object names a workspace.
    """
    record, profile = _dict(user), _dict(_dict(user).get("profile"))
    candidates = (profile.get("display_name"), profile.get("real_name"), record.get("real_name"), record.get("name"))
    name = next((found for candidate in candidates if (found := clean(candidate).strip())), clean(profile.get("name")))
    if not name:
        return None
    is_bot = record.get("is_bot") is True
    if _is_outsider(record, team_id):
        return Person(name, is_bot, roles=frozenset({"guest"}))
    is_admin = any(record.get(flag) is True for flag in (*_ADMIN, *_OWNER))
    return Person(name, is_bot, is_admin, _roles(record))


def _is_outsider(record: Mapping[str, Any], team_id: str) -> bool:
    """Whether somebody is of another workspace; a member of several of an enterprise names only one as their own.

    `is_stranger` alone does not tell: it is false for people of other workspaces who share a channel with the bot
    (https://docs.slack.dev/reference/objects/user-object).
    """
    if record.get("is_stranger") is True:
        return True
    home, enterprise = _identifier(record.get("team_id")), _dict(record.get("enterprise_user"))
    teams = enterprise.get("teams")
    ours = [home, enterprise.get("enterprise_id"), *(teams if isinstance(teams, list) else [])]
    return home is not None and team_id not in ours


def _roles(record: Mapping[str, Any]) -> frozenset[str] | None:
    """What somebody is in the workspace; None where the user object does not say."""
    if not any(flag in record for flag in (*_OWNER, *_ADMIN, *_GUEST)):
        return None
    roles = {"guest"} if any(record.get(flag) is True for flag in _GUEST) else {"member"}
    if any(record.get(flag) is True for flag in _OWNER):
        roles.add("owner")
    if any(record.get(flag) is True for flag in _ADMIN):
        roles.add("admin")
    return frozenset(roles)


def _workspace(payload: Mapping[str, Any], me: Identity) -> str:
    """The workspace the bot is installed in: what history is read under must equal what events come under.

    An event's own `team`, `user_team` and the envelope's `team_id` may name the sender's workspace or an enterprise,
    and the two events of one mention need not agree.
    """
    if me.team_id.startswith("T"):
        return me.team_id
    authorizations = payload.get("authorizations")
    first = _dict(authorizations[0]) if isinstance(authorizations, list) and authorizations else {}
    return _identifier(first.get("team_id")) or _identifier(payload.get("team_id")) or me.team_id


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
    return tuple(parse_file(entry) for entry in entries if _dict(entry))


def parse_file(entry: object) -> Attachment:
    """A file object of an event, a history row or `files.info`; of one without an address, why there is none."""
    file = _dict(entry)
    url = clean(file.get("url_private_download")) or clean(file.get("url_private"))
    size = file.get("size")
    missing = "" if url else _missing(file)
    return Attachment(
        name=clean(file.get("name")) or clean(file.get("title")) or "file",
        media_type=clean(file.get("mimetype")) or "application/octet-stream",
        size=size if isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**53 else 0,
        url=url,
        missing=missing,
        id=(_identifier(file.get("id")) or "") if missing == "untold" else "",
    )


def _missing(file: Mapping[str, Any]) -> Missing:
    found = _FILE_MODES.get(clean(file.get("mode"))) or _FILE_ACCESS.get(clean(file.get("file_access")), "closed")
    return "closed" if found == "untold" and _identifier(file.get("id")) is None else found


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _identifier(value: object) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def _timestamp(value: object) -> str | None:
    return value if isinstance(value, str) and _TS.fullmatch(value) else None

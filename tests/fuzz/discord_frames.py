"""What Discord's gateway may send, sound at first and then spoiled, as hypothesis strategies over one server.

The sound shapes are the emulator's own builders, which the platform's documents check.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from emulators.discord import Attachment, Channel, DiscordServer, Message, Permission, Role, User
from emulators.discord.guild_payloads import guild_create_payload, guild_payload, role_payload
from emulators.discord.payloads import (
    JSON,
    channel_payload,
    member_payload,
    message_payload,
    stamp,
    user_payload,
)
from tests.fuzz.spoiling import JUNK, MARK, TEXTS, garbled, spoiled

DISPATCHED = [
    *("MESSAGE_CREATE", "MESSAGE_CREATE", "MESSAGE_CREATE", "MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_UPDATE"),
    *("MESSAGE_DELETE", "MESSAGE_DELETE_BULK", "INTERACTION_CREATE", "INTERACTION_CREATE"),
    *("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE", "GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE", "GUILD_ROLE_DELETE"),
    *("CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE", "THREAD_CREATE", "THREAD_UPDATE", "THREAD_DELETE"),
    *("THREAD_LIST_SYNC", "USER_UPDATE", "READY", "RESUMED"),
    *("MESSAGE_REACTION_ADD", "TYPING_START", "PRESENCE_UPDATE", "VOICE_STATE_UPDATE", "NOT_YET_INVENTED", ""),
]


@dataclass(frozen=True, slots=True)
class Scene:
    """A server with somebody on it, a channel where the storm rages, and their direct messages."""

    discord: DiscordServer
    ada: User
    storm: Channel
    direct: Channel
    helpers: Role

    @classmethod
    def of(cls, discord: DiscordServer) -> Scene:
        """Set in a server, whether or not it is open."""
        ada = discord.add_user("ada", admin=True, nick="Ada")
        helpers, storm = discord.add_role("helpers"), discord.add_channel("storm", "weather")
        discord.overwrite(storm, helpers, allow=Permission.MANAGE_CHANNELS, deny=Permission.ATTACH_FILES)
        return cls(discord, ada, storm, discord.open_dm(ada), helpers)


@st.composite
def messages(draw: st.DrawFn, scene: Scene, *, nested: bool = False) -> Message:
    """A message as somebody might have sent it; it is in no channel."""
    discord, text = scene.discord, draw(TEXTS)
    mentions = []
    if draw(st.booleans()):
        text, mentions = f"{discord.bot.mention} {text}", [discord.bot]
    channel = draw(st.sampled_from([scene.storm, scene.storm, scene.direct]))
    message = Message(
        id=discord.world.snowflake(),
        channel=channel,
        author=draw(st.sampled_from([scene.ada, scene.ada, scene.ada, scene.ada, discord.bot])),
        content=f"{text} <@&{scene.helpers.id}>" if draw(st.booleans()) else text,
        type=draw(st.sampled_from([0, 0, 0, 19, 20, 23, 6, 7, 18, 21, 46])),
    )
    message.mentions = mentions
    if draw(st.booleans()):
        file = Attachment(
            discord.world.snowflake(), channel.id, "a.txt", b"abc", "text/plain", "http://127.0.0.1:1/a", 0.0
        )
        message.attachments = [file]
    if draw(st.booleans()):
        message.edited_timestamp = datetime.now(UTC)
    if not nested and draw(st.booleans()):
        message.referenced = draw(messages(scene, nested=True))
        reference = {"type": draw(st.sampled_from([0, 1])), "message_id": str(message.referenced.id)}
        message.reference = {**reference, "channel_id": str(channel.id)}
    return message


def sound_messages(scene: Scene, *, event: bool = True) -> st.SearchStrategy[JSON]:
    """A message object as an event carries it, or as REST gives it."""
    return messages(scene).map(lambda message: message_payload(message, scene.discord.bot, event=event))


def thread(scene: Scene) -> JSON:
    """A thread of the storm's channel, which does not exist."""
    return {
        "id": str(scene.discord.world.snowflake()),
        "type": 11,
        "guild_id": str(scene.discord.guild.id),
        "parent_id": str(scene.storm.id),
        "owner_id": str(scene.ada.id),
        "name": MARK,
        "message_count": 1,
        "member_count": 1,
        "rate_limit_per_user": 0,
        "flags": 0,
        "thread_metadata": {
            "archived": False,
            "auto_archive_duration": 1440,
            "archive_timestamp": stamp(datetime.now(UTC)),
            "locked": False,
        },
    }


def _interaction(scene: Scene, kind: int, message: JSON, text: str) -> JSON:
    discord = scene.discord
    options = [{"type": 1, "name": "set", "options": [{"type": 3, "name": "value", "value": text}]}]
    typed = [{"type": 1, "name": "set", "options": [{"type": 3, "name": "value", "value": text, "focused": True}]}]
    data: dict[int, Any] = {
        2: {"id": "1", "name": "parley", "type": 1, "options": options},
        3: {"id": 1, "custom_id": MARK if len(text) % 2 else "parley:good", "component_type": 2},
        4: {"id": "1", "name": "parley", "type": 1, "options": typed},
        5: {
            "custom_id": f"form:{discord.guild.id}:{scene.storm.id}::settings",
            "components": [
                {"type": 1, "components": [{"type": 4, "custom_id": "a", "value": text}]},
                {"type": 18, "id": 2, "component": {"type": 4, "id": 3, "custom_id": "b", "value": text}},
            ],
        },
    }
    return {
        "id": str(discord.world.snowflake()),
        "application_id": str(discord.application_id),
        "type": kind,
        "token": f"fuzzed-{discord.world.snowflake()}",
        "version": 1,
        "guild_id": str(discord.guild.id),
        "channel_id": str(scene.storm.id),
        "channel": channel_payload(scene.storm, discord.bot),
        "member": member_payload(scene.ada, discord.guild, permissions=8),
        "locale": "en-US",
        "entitlements": [],
        "data": data.get(kind),
        "message": message,
    }


def _with_message(scene: Scene, name: str, message: JSON, text: str, kind: int) -> Any:
    """What an event about a message or an interaction carries; of an unknown one, whatever one might carry."""
    here = {"channel_id": str(scene.storm.id), "guild_id": str(scene.discord.guild.id)}
    match name:
        case "MESSAGE_CREATE" | "MESSAGE_UPDATE":
            return message
        case "MESSAGE_DELETE":
            return {"id": message["id"], **here}
        case "MESSAGE_DELETE_BULK":
            return {"ids": [message["id"], "1"], **here}
        case "INTERACTION_CREATE":
            return _interaction(scene, kind, message, text)
        case _:
            emoji = {"id": None, "name": "👍"}
            return {"user_id": str(scene.ada.id), "message_id": message["id"], "text": MARK, "emoji": emoji, **here}


def _about_places(scene: Scene) -> dict[str, Any]:
    """What the events carry that tell of guilds, roles, channels, threads and the session, by name."""
    discord, guild = scene.discord, scene.discord.guild
    role, channel, its_thread = role_payload(scene.helpers, 2), channel_payload(scene.storm, discord.bot), thread(scene)
    guild_id = str(guild.id)
    return {
        "GUILD_CREATE": guild_create_payload(guild, discord.world, discord.bot, [scene.storm], all_members=False),
        "GUILD_UPDATE": guild_payload(guild, discord.world),
        "GUILD_DELETE": {"id": guild_id, "unavailable": True},
        "GUILD_ROLE_CREATE": {"guild_id": guild_id, "role": role},
        "GUILD_ROLE_UPDATE": {"guild_id": guild_id, "role": role},
        "GUILD_ROLE_DELETE": {"guild_id": guild_id, "role_id": role["id"]},
        **dict.fromkeys(("CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE"), channel),
        **dict.fromkeys(("THREAD_CREATE", "THREAD_UPDATE", "THREAD_DELETE"), its_thread),
        "THREAD_LIST_SYNC": {
            "guild_id": guild_id,
            "channel_ids": [channel["id"]],
            "threads": [its_thread],
            "members": [],
        },
        "USER_UPDATE": user_payload(discord.bot),
        "READY": {
            "v": 10,
            "user": user_payload(discord.bot),
            "guilds": [{"id": guild_id, "unavailable": True}],
            "session_id": "fuzzed",
            "shard": [0, 1],
            "resume_gateway_url": discord.resume_gateway_url,
            "application": {"id": "1", "flags": 0},
        },
        "RESUMED": {"_trace": ["x"]},
    }


@st.composite
def sound_data(draw: st.DrawFn, scene: Scene, name: str) -> Any:
    """What an event of this name carries."""
    places = _about_places(scene)
    if name in places:
        return places[name]
    kind = draw(st.sampled_from([1, 2, 2, 2, 3, 4, 5]))
    return _with_message(scene, name, draw(sound_messages(scene)), draw(TEXTS), kind)


@st.composite
def dispatches(draw: st.DrawFn, scene: Scene) -> tuple[str, Any]:
    """An event's name and its spoiled data."""
    name = draw(st.sampled_from(DISPATCHED))
    return name, draw(spoiled(sound_data(scene, name)))


_OPCODES: list[JSON] = [
    {"op": 11, "d": None},
    {"op": 11, "d": None},
    {"op": 1, "d": None},
    {"op": 10, "d": {"heartbeat_interval": 41_250, "_trace": []}},
    {"op": 10, "d": {"heartbeat_interval": 0}},
    {"op": 10, "d": {"heartbeat_interval": -1}},
    {"op": 2, "d": {"token": "x"}},
    {"op": 99, "d": {"text": MARK}},
    {"op": 7, "d": None},
    {"op": 9, "d": True},
    {"op": 9, "d": False},
]


@st.composite
def raw_frames(draw: st.DrawFn, scene: Scene) -> str | bytes:
    """One websocket frame that no sequence was given to: any opcode, a dispatch out of order, no JSON, bytes."""
    name, data = draw(dispatches(scene))
    number: Any = draw(st.sampled_from([None, None, 0, -1, 2**70, "5", [], True, 1.5]))
    dispatch = st.just({"op": 0, "t": name, "s": number, "d": data})
    opcode = spoiled(st.sampled_from(_OPCODES).map(lambda frame: {"t": None, "s": None, **frame}))
    written = st.one_of(dispatch, dispatch, opcode, opcode, JUNK).map(json.dumps)
    return draw(st.one_of(written, written, written, garbled(written), st.binary(max_size=60)))

"""People, as Discord describes them: what they are called where they write, and what they may do there. Pure.

What a payload does not say (is the channel a thread, who runs the guild, what a role is called) comes in as
`Surroundings`; finding that out lives in `places.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.discord.permissions import RUNS_CHANNEL, RUNS_GUILD, Overwrite, bits, runs_channel, runs_guild
from adapters.discord.values import identifier, is_object, objects, string, strings
from bot.messages import Author


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known around a message beside its own payload; everything unknown is empty.

    `bot_name` is what people see there: on a server the bot may have a name of its own.
    `parent` is the parent's id where the message's channel is a thread. `own_roles` are the bot's managed roles.
    `roles` and `channels` map ids to names, `granted` the roles' ids to their permission bits. `overwrites` are those
    of the channel, or of the thread's parent; None where they are not known. `nicks`: by user id, what the guild calls
    those of whom the payload may not say it.
    """

    bot_id: str
    bot_name: str
    parent: str | None = None
    owner_id: str = ""
    own_roles: frozenset[str] = frozenset()
    roles: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    granted: Mapping[str, int] = field(default_factory=dict)
    overwrites: Mapping[str, Overwrite] | None = None
    nicks: Mapping[str, str] = field(default_factory=dict)


def parse_author(
    user: object, member: object, payload: Mapping[str, Any], around: Surroundings | None = None
) -> Author | None:
    """A user object with its guild member object; a webhook counts as a bot. None without an id.

    Whether they run the channel or the guild is read from the member's computed permissions (interactions carry them;
    no channel's overwrite gives Manage Server or Administrator), else from the surroundings; what is not known is no.
    In a direct message nobody does.
    """
    if not is_object(user) or not (user_id := identifier(user.get("id"))):
        return None
    guild_id = identifier(payload.get("guild_id"))
    said_of, member = member, member if is_object(member) else {}
    roles = frozenset(strings(member["roles"])) if guild_id and isinstance(member.get("roles"), list) else None
    is_admin = runs_workspace = False
    if guild_id:
        computed = bits(member.get("permissions"))
        is_admin, runs_workspace = bool(computed & RUNS_CHANNEL), bool(computed & RUNS_GUILD)
        if around is not None and not runs_workspace:
            held = roles or ()
            runs_workspace = user_id == around.owner_id or runs_guild(guild_id, held, around.granted)
            is_admin = (
                is_admin or runs_workspace or runs_channel(user_id, guild_id, held, around.granted, around.overwrites)
            )
    return Author(
        id=user_id,
        name=name_there(user, said_of, around),
        is_bot=user.get("bot") is True or user.get("system") is True or bool(identifier(payload.get("webhook_id"))),
        is_admin=is_admin,
        runs_workspace=runs_workspace,
        roles=roles,
    )


def display_name(user: Mapping[str, Any], member: object = None) -> str:
    """What people see: the nickname in the guild, else the global name, else the user name; never an id."""
    nick = string(member.get("nick")) if is_object(member) else ""
    return nick or string(user.get("global_name")) or string(user.get("username"))


def name_there(user: Mapping[str, Any], member: object, around: Surroundings | None) -> str:
    """The same, where what REST gives says nothing of members: by what an event said of them last."""
    known = around.nicks.get(identifier(user.get("id"))) if around is not None and not is_object(member) else None
    return known or display_name(user, member)


def members_in(payload: object) -> Iterator[tuple[str, object]]:
    """The people of a message object and of what it replies to: their ids, each with the member object if any."""
    for message in (payload, payload.get("referenced_message") if is_object(payload) else None):
        if not is_object(message):
            continue
        if is_object(author := message.get("author")) and not message.get("webhook_id"):
            yield identifier(author.get("id")), message.get("member")
        for user in objects(message.get("mentions")):
            yield identifier(user.get("id")), user.get("member")

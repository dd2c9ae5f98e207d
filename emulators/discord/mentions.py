"""Who a message's text addresses, and whom it pings once `allowed_mentions` has been obeyed.

Pure functions over the text and the world; recording pings and shaping messages happen elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from emulators.discord.errors import FormErrors
from emulators.discord.state import Channel, Message, Permission, Ping, Role, User, World

CODE = re.compile(r"(?<!\\)(`{3}).*?`{3}|(?<![\\`])(`{1,2})(?!`).+?(?<!`)\2(?!`)", re.DOTALL)
USER = re.compile(r"<@!?(\d{1,20})>")
ROLE = re.compile(r"<@&(\d{1,20})>")
CROWD = re.compile(r"@(everyone|here)\b")
TYPES = ("roles", "users", "everyone")


@dataclass(slots=True)
class Addressed:
    """Whom a text names, in order of appearance and each once, before any `allowed_mentions`."""

    users: list[User] = field(default_factory=list)
    roles: list[Role] = field(default_factory=list)
    crowds: list[Literal["everyone", "here"]] = field(default_factory=list)


def addressed(text: str, world: World) -> Addressed:
    """Whom `text` names outside its code spans and blocks; ids nobody has are ignored."""
    found = Addressed()
    plain = CODE.sub(" ", text)
    for match in USER.finditer(plain):
        user = world.users.get(int(match[1]))
        if user is not None and user not in found.users:
            found.users.append(user)
    for match in ROLE.finditer(plain):
        role = world.roles.get(int(match[1]))
        if role is not None and role not in found.roles:
            found.roles.append(role)
    for match in CROWD.finditer(plain):
        crowd: Literal["everyone", "here"] = "everyone" if match[1] == "everyone" else "here"
        if crowd not in found.crowds:
            found.crowds.append(crowd)
    return found


def check_allowed_mentions(value: Any, path: str, errors: FormErrors) -> None:
    """Note what is wrong with an `allowed_mentions` object: types, over 100 ids, parse against a list of ids."""
    if value is None:
        return
    if not isinstance(value, dict):
        errors.add(path, "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
        return
    parse = value.get("parse") or []
    for index, kind in enumerate(parse):
        if kind not in TYPES:
            errors.choice(f"{path}.parse.{index}", kind, TYPES)
    for key in ("users", "roles"):
        ids = value.get(key) or []
        if len(ids) > 100:
            errors.add(f"{path}.{key}", "BASE_TYPE_MAX_LENGTH", "Must be 100 or fewer in length.")
        if any(not str(i).isdecimal() for i in ids):
            errors.add(f"{path}.{key}", "NUMBER_TYPE_COERCE", "Value is not snowflake.")
        if ids and key in parse:
            errors.add(
                path,
                "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                f'parse:["{key}"] and {key}: [ids...] are mutually exclusive.',
            )


def apply(message: Message, allowed: dict[str, Any] | None, world: World, *, reply_pings: bool) -> list[Ping]:
    """Set the message's mention fields by its content and `allowed`, and return the pings that follow.

    Without `allowed` everything in the text pings, and a reply pings the author it answers. With it, `parse` names
    whole kinds, `users` and `roles` single ids, and `replied_user` must be true for the reply to ping.
    `reply_pings` is False for edits of replies that did not ping.
    """
    found = addressed(message.content, world)
    channel, author = message.channel, message.author
    message.mentions, message.mention_roles, message.mention_everyone = [], [], False
    pings: list[Ping] = []
    if message.referenced is not None and reply_pings and (allowed is None or allowed.get("replied_user") is True):
        message.mentions.append(message.referenced.author)
        pings.append(Ping(message, "reply", message.referenced.author.id))
    for user in found.users:
        if permitted(allowed, "users", user.id) and user not in message.mentions:
            message.mentions.append(user)
            pings.append(Ping(message, "user", user.id))
    if channel.guild is None:
        return [ping for ping in pings if notifies(ping, channel)]
    may_ping_crowds = bool(world.allowed(author, channel) & Permission.MENTION_EVERYONE)
    for role in found.roles:
        ours = role.guild_id == channel.guild.id and role.id != channel.guild.id
        if ours and permitted(allowed, "roles", role.id) and (role.mentionable or may_ping_crowds):
            message.mention_roles.append(role)
            pings.append(Ping(message, "role", role.id))
    if found.crowds and may_ping_crowds and permitted(allowed, "everyone", None):
        message.mention_everyone = True
        pings += [Ping(message, crowd, channel.guild.id) for crowd in found.crowds]
    return [ping for ping in pings if notifies(ping, channel)]


def permitted(allowed: dict[str, Any] | None, kind: str, target: int | None) -> bool:
    """Whether `allowed` lets a mention of this kind and id through."""
    if allowed is None:
        return True
    listed = {str(i) for i in allowed.get(kind) or []} if target is not None else set()
    return kind in (allowed.get("parse") or []) or str(target) in listed


def notifies(ping: Ping, channel: Channel) -> bool:
    """Nobody is notified by themselves, nor in a DM they are not part of."""
    if ping.kind not in {"user", "reply"}:
        return True
    if ping.target == ping.author.id:
        return False
    return channel.recipient is None or ping.target == channel.recipient.id or ping.author is channel.recipient

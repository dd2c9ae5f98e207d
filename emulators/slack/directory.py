"""Who is who: auth.test, apps.connections.open, users.info, bots.info, team.info; and the two methods of reactions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from emulators.slack import events
from emulators.slack.method import Method
from emulators.slack.model import Json, Message, SlackError, User

if TYPE_CHECKING:
    from emulators.slack.core import Core

_EMOJI = re.compile(r"[a-z0-9_+'-]{1,100}(::skin-tone-[2-6])?")
_TS = re.compile(r"\d{9,}\.\d{6}")
MOST_REACTIONS = 23
"""Emoji a message may carry."""


def auth_test(core: Core, arguments: Json) -> Json:
    return {
        "url": f"https://{core.domain}.slack.com/",
        "team": core.team_name,
        "user": core.bot.name,
        "team_id": core.team_id,
        "user_id": core.bot.id,
        "bot_id": core.bot.bot_id,
        "is_enterprise_install": False,
    }


def connections_open(core: Core, arguments: Json) -> Json:
    host = core.base_url.removeprefix("http://")
    return {"url": f"ws://{host}/link/?ticket={core.socket.ticket()}&app_id={core.app_id}"}


def user_json(core: Core, user: User) -> Json:
    """A user object; the address only with users:read.email."""
    profile: Json = {
        "real_name": user.real_name,
        "real_name_normalized": user.real_name,
        "display_name": user.name,
        "display_name_normalized": user.name,
        "status_text": "",
        "status_emoji": "",
        "team": user.team_id or core.team_id,
        **{f"image_{size}": f"https://example.com/{user.id}_{size}.png" for size in (24, 48, 72, 192)},
    }
    if user.bot_id:
        profile |= {"bot_id": user.bot_id, "api_app_id": core.app_id if user is core.bot else ""}
    elif "users:read.email" in core.scopes:
        profile["email"] = f"{user.name}@example.com"
    return {
        "id": user.id,
        "team_id": user.team_id or core.team_id,
        "name": user.name,
        "deleted": user.deleted,
        "color": "9f69e7",
        "real_name": user.real_name,
        "tz": "Europe/Berlin",
        "tz_label": "Central European Time",
        "tz_offset": 3600,
        "profile": profile,
        "is_admin": user.admin or user.owner,
        "is_owner": user.owner,
        "is_primary_owner": False,
        "is_restricted": user.guest,
        "is_ultra_restricted": False,
        "is_bot": user.bot_id is not None,
        "is_app_user": False,
        "updated": 1,
        **({"is_stranger": False} if user.team_id else {}),  # true only of those who share no channel with the app
    }


def users_info(core: Core, arguments: Json) -> Json:
    user = core.users.get(arguments["user"])
    if user is None:
        raise SlackError("user_not_found")
    return {"user": user_json(core, user) | ({"locale": "en-US"} if arguments.get("include_locale") else {})}


def bots_info(core: Core, arguments: Json) -> Json:
    wanted = arguments.get("bot")
    user = next((user for user in core.users.values() if user.bot_id and user.bot_id == wanted), None)
    if user is None:
        raise SlackError("bot_not_found")
    return {
        "bot": {
            "id": user.bot_id,
            "deleted": user.deleted,
            "name": user.real_name,
            "updated": 1,
            "app_id": core.app_id if user is core.bot else "A0OTHER001",
            "user_id": user.id,
            "icons": {f"image_{size}": f"https://example.com/{user.id}_{size}.png" for size in (36, 48, 72)},
        }
    }


def team_info(core: Core, arguments: Json) -> Json:
    if arguments.get("team", core.team_id) != core.team_id:
        raise SlackError("team_not_found")
    return {
        "team": {
            "id": core.team_id,
            "name": core.team_name,
            "url": f"https://{core.domain}.slack.com/",
            "domain": core.domain,
            "email_domain": "",
            "icon": {"image_34": "https://example.com/34.png", "image_default": True},
        }
    }


def _reacted_to(core: Core, arguments: Json) -> tuple[Message, str]:
    name = arguments["name"].strip(":")
    if not _EMOJI.fullmatch(name):
        raise SlackError("invalid_name")
    if not arguments.get("channel") or not arguments.get("timestamp"):
        raise SlackError("no_item_specified")
    if not _TS.fullmatch(arguments["timestamp"]):
        raise SlackError("bad_timestamp")
    channel = core.channel(arguments["channel"])
    if channel.archived:
        raise SlackError("is_archived")
    return core.message(channel, arguments["timestamp"]), name


def react(core: Core, message: Message, user: User, name: str) -> None:
    """Add a person's or the app's reaction and send reaction_added; raises already_reacted, too_many_emoji."""
    if user.id in message.reactions.get(name, []):
        raise SlackError("already_reacted")
    if name not in message.reactions and len(message.reactions) >= MOST_REACTIONS:
        raise SlackError("too_many_emoji")
    message.reactions.setdefault(name, []).append(user.id)
    _tell(core, "reaction_added", user, message, name)


def unreact(core: Core, message: Message, user: User, name: str) -> None:
    """Take a reaction back and send reaction_removed; raises no_reaction."""
    users = message.reactions.get(name, [])
    if user.id not in users:
        raise SlackError("no_reaction")
    users.remove(user.id)
    if not users:
        del message.reactions[name]
    _tell(core, "reaction_removed", user, message, name)


def _tell(core: Core, kind: str, user: User, message: Message, name: str) -> None:
    if kind in core.subscriptions and core.bot.id in core.channels[message.channel].members:
        core.send_event(events.reaction(core, kind, user.id, message, name))
    core.changed()


def reactions_add(core: Core, arguments: Json) -> Json:
    message, name = _reacted_to(core, arguments)
    react(core, message, core.bot, name)
    return {}


def reactions_remove(core: Core, arguments: Json) -> Json:
    message, name = _reacted_to(core, arguments)
    unreact(core, message, core.bot, name)
    return {}


_REMOVE = {"name": "str!", "channel": "str", "timestamp": "str", "file": "str", "file_comment": "str"}

METHODS = [
    Method("auth.test", {}, auth_test, "t5"),
    Method("apps.connections.open", {}, connections_open, "t3", app_level=True),
    Method("users.info", {"user": "str!", "include_locale": "bool"}, users_info, "t4", "users:read", json_input=False),
    Method("bots.info", {"bot": "str"}, bots_info, "t3", "users:read", json_input=False),
    Method("team.info", {"team": "str", "domain": "str"}, team_info, "t3", "team:read"),
    Method(
        "reactions.add",
        {"channel": "str!", "name": "str!", "timestamp": "str!"},
        reactions_add,
        "t3",
        "reactions:write",
    ),
    Method("reactions.remove", _REMOVE, reactions_remove, "t2", "reactions:write"),
]

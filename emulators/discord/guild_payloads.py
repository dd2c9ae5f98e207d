"""Guilds and roles on the wire; users, channels and messages are in `payloads.py`."""

from __future__ import annotations

from collections.abc import Iterable

from emulators.discord.payloads import JSON, channel_payload, member_payload, stamp, thread_payload
from emulators.discord.state import Channel, Guild, Role, User, World


def role_payload(role: Role, position: int) -> JSON:
    """A role object."""
    payload: JSON = {
        "id": str(role.id),
        "name": role.name,
        "permissions": str(role.permissions),
        "position": position,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "managed": role.managed_by is not None,
        "mentionable": role.mentionable,
        "flags": 0,
    }
    if role.managed_by is not None:
        payload["tags"] = {"bot_id": str(role.managed_by)}
    return payload


def roles_payload(guild: Guild) -> list[JSON]:
    """All roles of a guild, @everyone first."""
    return [role_payload(role, position) for position, role in enumerate(guild.roles)]


def guild_payload(guild: Guild, world: World) -> JSON:
    """A guild object as REST gives it."""
    return {
        "id": str(guild.id),
        "name": guild.name,
        "icon": None,
        "icon_hash": None,
        "splash": None,
        "discovery_splash": None,
        "owner_id": str(guild.owner.id),
        "afk_channel_id": None,
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "roles": roles_payload(guild),
        "emojis": [],
        "stickers": [],
        "features": [],
        "mfa_level": 0,
        "application_id": None,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "public_updates_channel_id": None,
        "safety_alerts_channel_id": None,
        "max_members": 500_000,
        "max_presences": None,
        "max_video_channel_users": 25,
        "max_stage_video_channel_users": 50,
        "vanity_url_code": None,
        "description": None,
        "banner": None,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "premium_progress_bar_enabled": False,
        "preferred_locale": "en-US",
        "nsfw_level": 0,
        "nsfw": False,
        "home_header": None,
        "incidents_data": None,
        "region": "deprecated",
        "widget_enabled": False,
        "widget_channel_id": None,
        "approximate_member_count": len(world.users),
    }


def guild_create_payload(
    guild: Guild, world: World, bot: User, visible: Iterable[Channel], *, all_members: bool
) -> JSON:
    """GUILD_CREATE: the guild with the channels and active threads the bot can see, and its members."""
    shown = list(visible)
    members = world.users.values() if all_members else [bot]
    payload = guild_payload(guild, world)
    del payload["approximate_member_count"]
    return {
        **payload,
        "joined_at": stamp(bot.joined_at),
        "large": False,
        "unavailable": False,
        "member_count": len(world.users),
        "voice_states": [],
        "members": [member_payload(user, guild) for user in members],
        "channels": [channel_payload(c, bot, with_guild=False) for c in shown if not c.is_thread],
        "threads": [thread_payload(c, bot) for c in shown if c.is_thread and not c.archived],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }

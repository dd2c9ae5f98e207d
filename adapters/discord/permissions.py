"""Who runs a place on Discord, by the permission bits of members, roles and a channel's overwrites. Pure.

https://discord.com/developers/docs/topics/permissions
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ADMINISTRATOR = 1 << 3
MANAGE_CHANNELS = 1 << 4
MANAGE_GUILD = 1 << 5

RUNS_GUILD = ADMINISTRATOR | MANAGE_GUILD
RUNS_CHANNEL = RUNS_GUILD | MANAGE_CHANNELS


@dataclass(frozen=True, slots=True)
class Overwrite:
    """What a channel gives to one role or member beyond the guild, and what it takes from them: bits."""

    allow: int = 0
    deny: int = 0


NO_OVERWRITE = Overwrite()


def bits(permissions: object) -> int:
    """The bits of a payload's `permissions`: a string of digits, 0 where it is anything else."""
    if not isinstance(permissions, str) or not permissions.isascii() or not permissions.isdigit():
        return 0
    return int(permissions) if len(permissions) <= 40 else 0


def runs_guild(guild_id: str, roles: Iterable[str], granted: Mapping[str, int]) -> bool:
    """Whether a member may administrate or manage the guild: their roles alone say so, no channel's overwrites.

    `granted` has the bits of the guild's roles by their ids, the guild's own id standing for @everyone.
    """
    return bool(_union(granted.get(role, 0) for role in (guild_id, *roles)) & RUNS_GUILD)


def runs_channel(
    user_id: str,
    guild_id: str,
    roles: Iterable[str],
    granted: Mapping[str, int],
    overwrites: Mapping[str, Overwrite] | None,
) -> bool:
    """Whether a member may administrate or manage the guild, or manage the channel.

    `granted` is that of `runs_guild`; `overwrites` are the channel's by the id of the role or member. Where they are
    not known, nobody manages the channel by a role.
    """
    held = [role for role in roles if role != guild_id]
    base = _union(granted.get(role, 0) for role in (guild_id, *held))
    if base & RUNS_GUILD:
        return True
    if overwrites is None:
        return False
    # In Discord's order, the later the stronger: @everyone, all roles together, the member.
    everyone = overwrites.get(guild_id, NO_OVERWRITE)
    of_roles = [overwrites.get(role, NO_OVERWRITE) for role in held]
    together = Overwrite(_union(each.allow for each in of_roles), _union(each.deny for each in of_roles))
    for overwrite in (everyone, together, overwrites.get(user_id, NO_OVERWRITE)):
        base = base & ~overwrite.deny | overwrite.allow
    return bool(base & MANAGE_CHANNELS)


def _union(each: Iterable[int]) -> int:
    united = 0
    for one in each:
        united |= one
    return united

"""People, as `users.info` and events describe them: what they are called, and what they are in the workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.slack.values import clean, fields, identifier
from bot.messages import Author

# https://docs.slack.dev/reference/objects/user-object; is_stranger, of those beyond the workspace, is read apart.
_OWNER = ("is_owner", "is_primary_owner")
_ADMIN = ("is_admin",)
_GUEST = ("is_restricted", "is_ultra_restricted")


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


def read_person(user: object, team_id: str) -> Person | None:
    """A user object of Slack's; the display name goes before the real name, the handle comes last.

    `team_id` is the workspace the bot is in. Who is of another is a guest here, whatever they are at home: a channel
    may be shared between companies (https://docs.slack.dev/apis/slack-connect). Empty where it is not known: then
    nobody is known to be of it, and nobody is an admin whose object names a workspace.
    """
    record, profile = fields(user), fields(fields(user).get("profile"))
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
    home, enterprise = identifier(record.get("team_id")), fields(record.get("enterprise_user"))
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

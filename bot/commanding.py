"""A command on its way through the database: as a turn's payload, and back."""

from __future__ import annotations

import json
from dataclasses import asdict

from bot.messages import Address, Author, CommandInvoked


def payload_of(command: CommandInvoked) -> str:
    """A command as text, with all that its giver's rights rest on."""
    fields = asdict(command)
    roles = command.author.roles
    fields["author"]["roles"] = None if roles is None else sorted(roles)
    return json.dumps(fields, ensure_ascii=False)


def command_in(payload: str) -> CommandInvoked:
    """Back from its text."""
    fields = json.loads(payload)
    author = fields.pop("author")
    roles = author.pop("roles")
    return CommandInvoked(
        Address(**fields.pop("address")),
        Author(**author, roles=None if roles is None else frozenset(roles)),
        fields["name"],
        tuple(fields["arguments"]),
        id=fields["id"],
        in_message=fields["in_message"],
    )

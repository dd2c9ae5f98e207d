"""What Discord is told of `/parley`: its subcommands with their options, registered where Discord has others.

Which subcommands there are comes in as data; reading a use of one is the business of `interactions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from discord.http import HTTPClient, Route

from adapters.discord import rest
from adapters.discord.values import is_object
from bot.errors import DeliveryFailure
from bot.interactions import CommandOption, CommandSpec

log = structlog.get_logger(__name__)

COMMAND = "parley"
DESCRIPTION = "Settings and help of the bot that answers here"

CHAT_INPUT = 1
"""Application command type of a slash command."""

SUBCOMMAND, STRING = 1, 3
"""Command option types."""

IN_GUILDS, IN_OWN_DMS = 0, 1
"""Interaction contexts: in servers, and in direct messages with the bot."""


def registration(specs: Sequence[CommandSpec]) -> list[dict[str, Any]]:
    """The body of PUT /applications/{id}/commands; nothing where there are no subcommands.

    https://discord.com/developers/docs/interactions/application-commands#application-command-object
    """
    subcommands = [
        {
            "type": SUBCOMMAND,
            "name": spec.name,
            "description": spec.description,
            # Discord wants the required ones first. In which order they are handed on is the specification's.
            "options": [_option(option) for option in sorted(spec.options, key=lambda option: not option.required)],
        }
        for spec in specs
    ]
    if not subcommands:
        return []
    command = {"type": CHAT_INPUT, "name": COMMAND, "description": DESCRIPTION, "options": subcommands}
    return [{**command, "contexts": [IN_GUILDS, IN_OWN_DMS]}]


def _option(option: CommandOption) -> dict[str, Any]:
    body = {"type": STRING, "name": option.name, "description": option.description, "required": option.required}
    if option.choices:  # these exclude completion
        return {**body, "choices": [{"name": choice, "value": choice} for choice in option.choices]}
    return {**body, "autocomplete": True} if option.suggests else body


def is_registered(registered: object, wanted: Sequence[Mapping[str, Any]]) -> bool:
    """Whether Discord has just these commands already, whatever it adds to them of its own."""
    return (
        isinstance(registered, list)
        and len(registered) == len(wanted)
        and all(
            _core(there) == _core(command) and _same_contexts(there, command)
            for there, command in zip(registered, wanted, strict=True)
        )
    )


def _core(entry: object) -> object:
    if not is_object(entry):
        return None
    return (
        entry.get("type", CHAT_INPUT),
        entry.get("name"),
        entry.get("description"),
        bool(entry.get("required")),
        bool(entry.get("autocomplete")),
        [(choice.get("name"), choice.get("value")) for choice in _list(entry.get("choices")) if is_object(choice)],
        [_core(option) for option in _list(entry.get("options"))],
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _same_contexts(there: object, wanted: Mapping[str, Any]) -> bool:
    """A command that Discord has without any is usable wherever ours is."""
    contexts = there.get("contexts") if is_object(there) else None
    return contexts is None or (
        isinstance(contexts, list)
        and len(contexts) == len(wanted["contexts"])
        and all(context in contexts for context in wanted["contexts"])
    )


async def sync(http: HTTPClient, application_id: str, specs: Sequence[CommandSpec]) -> None:
    """Register the commands if Discord has others. A failure is logged: answers do not depend on it.

    An adapter has no store in which the hash of what it registered could outlive it. So Discord itself is asked what it
    has, once a run: that also mends what somebody else registered over it.
    """
    wanted = registration(specs)
    if not wanted:
        return
    path = "/applications/{application_id}/commands"
    try:
        registered = await rest.call(http, http.request(Route("GET", path, application_id=application_id)))
    except DeliveryFailure as failure:
        log.info("commands_unknown", code=failure.code)
        registered = None
    if is_registered(registered, wanted):
        return
    try:
        await rest.call(http, http.request(Route("PUT", path, application_id=application_id), json=wanted))
        log.info("commands_registered", subcommands=len(specs))
    except DeliveryFailure as failure:
        log.warning("commands_not_registered", code=failure.code)

"""`/parley` on Discord: its registration, reading an invocation, and answering it for the asker's eyes alone.

Which subcommands there are comes in as data; what they do is the core's business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from discord.http import HTTPClient, Route

from adapters.discord import markdown, rest
from adapters.discord.failures import ALREADY_ACKNOWLEDGED
from adapters.discord.outgoing import EPHEMERAL, private_message
from adapters.discord.parsing import (
    THREAD_TYPES,
    Surroundings,
    identifier,
    is_object,
    objects,
    parse_address,
    parse_author,
    string,
)
from bot.adapter import Sink
from bot.errors import DeliveryFailure, DeliveryUncertain, ParleyError
from bot.interactions import CommandSpec
from bot.messages import CommandInvoked
from bot.splitting import split

log = structlog.get_logger(__name__)

COMMAND = "parley"
DESCRIPTION = "Settings and help of the bot that answers here"

APPLICATION_COMMAND = 2
"""Interaction type of a command that was given."""

SUBCOMMAND, STRING = 1, 3
"""Command option types."""

DEFERRED = 5
"""Interaction callback type: an answer follows; only this first response fixes whether others see it."""

FIRST_RESPONSE_DEADLINE = 1.4
"""Seconds for each of two tries: Discord takes the first response within 3 s."""

_TOKEN = re.compile(r"[\w.+=-]+", re.ASCII)
"""An interaction's token, which becomes part of an address."""

NOTHING_TO_SAY = "Done."


@dataclass(frozen=True, slots=True)
class Invocation:
    """One use of the command, and what it takes to answer it within the next 15 minutes."""

    id: str
    token: str
    application_id: str
    command: CommandInvoked


def registration(specs: Sequence[CommandSpec]) -> list[dict[str, Any]]:
    """The body of PUT /applications/{id}/commands; nothing where there are no subcommands."""
    subcommands = [
        {
            "type": SUBCOMMAND,
            "name": spec.name,
            "description": spec.description,
            "options": [
                {"type": STRING, "name": option.name, "description": option.description, "required": option.required}
                for option in spec.options
            ],
        }
        for spec in specs
    ]
    if not subcommands:
        return []
    return [{"type": 1, "name": COMMAND, "description": DESCRIPTION, "options": subcommands}]


def is_registered(registered: object, wanted: Sequence[Mapping[str, Any]]) -> bool:
    """Whether Discord has just these commands already, whatever it adds to them of its own."""
    return isinstance(registered, list) and [_core(c) for c in registered] == [_core(c) for c in wanted]


def _core(entry: object) -> object:
    if not is_object(entry):
        return None
    return (
        entry.get("type", 1),
        entry.get("name"),
        entry.get("description"),
        bool(entry.get("required")),
        [_core(option) for option in entry.get("options") or []],
    )


def parse_invocation(payload: object, specs: Sequence[CommandSpec], around: Surroundings) -> Invocation | None:
    """INTERACTION_CREATE; None unless somebody gave our command."""
    if not is_object(payload) or payload.get("type") != APPLICATION_COMMAND:
        return None
    data, member = payload.get("data"), payload.get("member")
    if not is_object(data) or data.get("name") != COMMAND:
        return None
    author = parse_author(member.get("user") if is_object(member) else payload.get("user"), member, payload, around)
    address = parse_address(payload, _thread_parent(payload) or around.parent)
    interaction_id, token = identifier(payload.get("id")), string(payload.get("token"))
    if author is None or address is None or not interaction_id or not _TOKEN.fullmatch(token):
        return None
    subcommand = next((entry for entry in objects(data.get("options")) if entry.get("type") == SUBCOMMAND), {})
    name = string(subcommand.get("name"))
    given = {string(entry.get("name")): entry.get("value") for entry in objects(subcommand.get("options"))}
    order = next((tuple(option.name for option in spec.options) for spec in specs if spec.name == name), tuple(given))
    arguments = tuple(str(given[option]) for option in order if given.get(option) is not None)
    application_id = identifier(payload.get("application_id")) or around.bot_id  # of old, the two could differ
    return Invocation(interaction_id, token, application_id, CommandInvoked(address, author, name, arguments))


def _thread_parent(payload: Mapping[str, Any]) -> str | None:
    channel = payload.get("channel")
    if not is_object(channel) or channel.get("type") not in THREAD_TYPES:
        return None
    return identifier(channel.get("parent_id")) or None


async def sync(http: HTTPClient, application_id: str, specs: Sequence[CommandSpec]) -> None:
    """Register the commands if Discord has others. A failure is logged: answers do not depend on it."""
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


async def answer(http: HTTPClient, invocation: Invocation, sink: Sink) -> None:
    """Acknowledge at once, carry the command out, show what it says. Never raises for what Discord refuses."""
    command = invocation.command
    if not await _defer(http, invocation):
        return
    try:
        text = (await sink.command(command)).text
    except Exception as error:  # noqa: BLE001 - the asker waits for a word, whatever failed
        log.error("command_failed", command=command.name, error=type(error).__name__)
        text = error.sentence if isinstance(error, ParleyError) else ParleyError.sentence
    try:
        for number, part in enumerate(split(text, markdown.fits) or [NOTHING_TO_SAY]):
            await _show(http, invocation, part, first=number == 0)
    except DeliveryFailure as failure:
        log.warning("command_answer_lost", command=command.name, code=failure.code)


async def _defer(http: HTTPClient, invocation: Invocation) -> bool:
    """Whether the interaction is ours to answer now; no where it is too late or another worker has it."""
    # Named as discord.py's own rate limiter wants it: each interaction is a bucket of its own.
    route = Route(
        "POST",
        "/interactions/{webhook_id}/{webhook_token}/callback",
        webhook_id=int(invocation.id),
        webhook_token=invocation.token,
    )
    deferral = {"type": DEFERRED, "data": {"flags": EPHEMERAL}}
    lost = False
    for _ in range(2):
        try:
            await rest.call(http, http.request(route, json=deferral), FIRST_RESPONSE_DEADLINE)
        except DeliveryUncertain:
            lost = True
        except DeliveryFailure as failure:
            if lost and failure.code == ALREADY_ACKNOWLEDGED:
                return True  # by our own first try, whose answer did not come through
            log.warning("interaction_not_taken", command=invocation.command.name, code=failure.code)
            return False
        else:
            return True
    log.warning("interaction_not_taken", command=invocation.command.name, code="timeout")
    return False


async def _show(http: HTTPClient, invocation: Invocation, part: str, *, first: bool) -> None:
    message = private_message(part)
    if first:
        del message["flags"]  # the deferral has settled who sees it
    route = Route(
        "PATCH" if first else "POST",
        "/webhooks/{webhook_id}/{webhook_token}" + ("/messages/@original" if first else ""),
        webhook_id=int(invocation.application_id),
        webhook_token=invocation.token,
    )
    await rest.call(http, http.request(route, json=message))

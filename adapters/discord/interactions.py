"""INTERACTION_CREATE → what somebody did: gave a command, is typing one, pressed a button, or sent a form. Pure.

No JSON makes it raise. How each is answered lives in `commands.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.buttons import button_of
from adapters.discord import modals
from adapters.discord.parsing import THREAD_TYPES, parse_address
from adapters.discord.people import Surroundings, parse_author
from adapters.discord.registration import COMMAND, SUBCOMMAND
from adapters.discord.values import identifier, is_object, objects, string
from bot.interactions import CommandSpec, FormSubmitted
from bot.messages import Address, Author, ButtonPressed, CommandInvoked

APPLICATION_COMMAND, COMPONENT, AUTOCOMPLETE, MODAL_SUBMIT = 2, 3, 4, 5
"""Interaction types: a command was given, a button pressed, a command is being typed, a form was sent."""

_TOKEN = re.compile(r"[\w.+=-]+", re.ASCII)
"""An interaction's token, which becomes part of an address."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What it takes to answer an interaction within the next 15 minutes."""

    id: str
    token: str
    application_id: str


@dataclass(frozen=True, slots=True)
class Given:
    """Somebody gave a command."""

    ticket: Ticket
    command: CommandInvoked


@dataclass(frozen=True, slots=True)
class Typing:
    """Somebody types in an option of a command, which carries the options before it."""

    ticket: Ticket
    command: CommandInvoked
    option: str
    typed: str


@dataclass(frozen=True, slots=True)
class Filled:
    """Somebody sent a form."""

    ticket: Ticket
    form: FormSubmitted


@dataclass(frozen=True, slots=True)
class Pressed:
    """Somebody pressed a button under an answer."""

    ticket: Ticket
    press: ButtonPressed


Interaction = Given | Typing | Filled | Pressed


def parse_interaction(payload: object, specs: Sequence[CommandSpec], around: Surroundings) -> Interaction | None:
    """An interaction with our command, or one of our forms or buttons; None where it is none of these."""
    if not is_object(payload) or not is_object(data := payload.get("data")):
        return None
    member = payload.get("member")
    author = parse_author(member.get("user") if is_object(member) else payload.get("user"), member, payload, around)
    address = parse_address(payload, _thread_parent(payload) or around.parent)
    interaction_id, token = identifier(payload.get("id")), string(payload.get("token"))
    if author is None or address is None or not interaction_id or not _TOKEN.fullmatch(token):
        return None
    application_id = identifier(payload.get("application_id")) or around.bot_id  # of old, the two could differ
    ticket = Ticket(interaction_id, token, application_id)
    kind = payload.get("type")
    if kind == MODAL_SUBMIT:
        form = _form(data, address, author)
        return None if form is None else Filled(ticket, form)
    if kind == COMPONENT:
        message, button = payload.get("message"), button_of(string(data.get("custom_id")))
        message_id = identifier(message.get("id")) if is_object(message) else ""
        if button is None or not message_id:
            return None
        return Pressed(ticket, ButtonPressed(address, author, message_id, button, interaction_id))
    if kind not in (APPLICATION_COMMAND, AUTOCOMPLETE) or data.get("name") != COMMAND:
        return None
    subcommand = next((entry for entry in objects(data.get("options")) if entry.get("type") == SUBCOMMAND), {})
    name = string(subcommand.get("name"))
    options = {string(entry.get("name")): entry for entry in objects(subcommand.get("options"))}
    order = next((tuple(option.name for option in spec.options) for spec in specs if spec.name == name), tuple(options))
    if kind == APPLICATION_COMMAND:
        command = CommandInvoked(address, author, name, _arguments(options, order), id=interaction_id)
        return Given(ticket, command)
    focused = next((option for option in order if options.get(option, {}).get("focused") is True), None)
    if focused is None:
        return None
    before = _arguments(options, order[: order.index(focused)])
    command = CommandInvoked(address, author, name, before, id=interaction_id)
    return Typing(ticket, command, focused, _value(options[focused]))


def _arguments(options: Mapping[str, Mapping[str, Any]], order: Sequence[str]) -> tuple[str, ...]:
    """The values in the specification's order: one left out before one that was given is the empty text."""
    values = [_value(options.get(name, {})) for name in order]
    while values and order[len(values) - 1] not in options:
        values.pop()
    return tuple(values)


def _value(option: Mapping[str, Any]) -> str:
    value = option.get("value")
    return "" if value is None else str(value)


def _form(data: Mapping[str, Any], address: Address, author: Author) -> FormSubmitted | None:
    """A form that was opened where it comes from: rights are those of that place, whatever its id may claim."""
    opened = modals.read_custom_id(string(data.get("custom_id")))
    if opened is None:
        return None
    name, about = opened
    here = (about.workspace, about.channel) == (address.workspace, address.channel)
    if not here or about.thread not in (None, address.thread):
        return None
    return FormSubmitted(about, author, name, modals.read_values(data.get("components")))


def _thread_parent(payload: Mapping[str, Any]) -> str | None:
    channel = payload.get("channel")
    if not is_object(channel) or channel.get("type") not in THREAD_TYPES:
        return None
    return identifier(channel.get("parent_id")) or None

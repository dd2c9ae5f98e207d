"""Answers what people do with `/parley` and buttons: for the asker's eyes alone, a form, suggestions while they type.

What a command does is the core's business; it begins at once. Discord takes a first response within 3 s: what is done
by then is said in one call, what is not is deferred and shown when it comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from discord.http import HTTPClient

from adapters.discord import markdown, modals
from adapters.discord.failures import INVALID_BODY
from adapters.discord.interactions import Filled, Given, Interaction, Pressed, Ticket, Typing
from adapters.discord.outgoing import EPHEMERAL, private_message
from adapters.discord.responses import (
    DEFERRED,
    MESSAGE,
    MODAL,
    SUGGESTIONS,
    UNCHANGED,
    edit_original,
    follow_up,
    respond,
)
from adapters.discord.timing import Timing
from bot.adapter import Sink
from bot.errors import DeliveryFailure, DeliveryRefused, ParleyError
from bot.interactions import CommandAnswer, FormSubmitted
from bot.splitting import split

log = structlog.get_logger(__name__)

MOST_SUGGESTIONS = 25
LONGEST_SUGGESTION = 100

DEFERRAL: dict[str, Any] = {"type": DEFERRED, "data": {"flags": EPHEMERAL}}

NOTHING_TO_SAY = "Done."
FILE_REFUSED = "Discord did not take the file that belongs here."


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked, for the log and to answer it: the first response by `due`, in the loop's time.

    `by_button`: what comes of it is seen at the message, so that there need not be anything to say.
    """

    name: str
    http: HTTPClient
    ticket: Ticket
    due: float
    by_button: bool = False


async def answer(http: HTTPClient, interaction: Interaction, sink: Sink, timing: Timing) -> None:
    """Carry out what was asked and show what it comes to. Never raises for what Discord refuses."""
    due = asyncio.get_running_loop().time() + timing.first_response
    match interaction:
        case Typing():
            await _suggest(http, interaction, sink, timing.deferral, due)
        case Given(ticket, command):
            asked = _Asked(command.name, http, ticket, due)
            await _answer(asked, lambda: sink.command(command), timing.deferral)
        case Pressed(ticket, press):
            asked = _Asked(press.action, http, ticket, due, by_button=True)
            await _answer(asked, lambda: sink.press(press), timing.deferral)
        case Filled(ticket, form):
            await _answer(_Asked(form.form, http, ticket, due), lambda: _take_in(sink, form), timing.deferral)


async def _take_in(sink: Sink, form: FormSubmitted) -> CommandAnswer:
    """What a form comes to. It has closed, and another cannot be opened in its stead."""
    said = await sink.form(form)
    return CommandAnswer(modals.with_problems(said, form), said.file)


async def _answer(asked: _Asked, run: Callable[[], Awaitable[CommandAnswer]], patience: float) -> None:
    """Carry it out; where that takes longer than `patience`, in seconds, say first that an answer follows.

    Where Discord does not take that, the asker has seen a failure, or another worker answers: ours is given up.
    """
    working = asyncio.create_task(_carry_out(asked, run))
    try:
        done, _ = await asyncio.wait({working}, timeout=patience)
        if not done:
            await respond(asked.http, asked.ticket, DEFERRAL, asked.due)
        await _show(asked, await working, deferred=not done)
    except DeliveryFailure as failure:
        log.warning("command_not_answered", command=asked.name, code=failure.code)
    finally:
        working.cancel()
        await asyncio.wait({working})


async def _carry_out(asked: _Asked, run: Callable[[], Awaitable[CommandAnswer]]) -> CommandAnswer:
    try:
        return await run()
    except Exception as error:  # noqa: BLE001 - the asker waits for a word, whatever failed
        log.error("command_failed", command=asked.name, error=type(error).__name__)
        return CommandAnswer(error.sentence if isinstance(error, ParleyError) else ParleyError.sentence)


async def _show(asked: _Asked, said: CommandAnswer, *, deferred: bool) -> None:
    """Show an answer, as the first response unless that was a deferral. Raises a `DeliveryFailure`."""
    text = said.text
    if said.form is not None:
        if not deferred and modals.can_show(said.form) and await _opens(asked, modals.modal(said.form)):
            return
        text = "\n\n".join(part for part in (text, modals.too_long(said.form)) if part)
    parts = split(text, markdown.fits)
    if said.file is not None:
        # It may take longer to upload than a first response may.
        if not deferred:
            await respond(asked.http, asked.ticket, DEFERRAL, asked.due)
        try:
            await edit_original(asked.http, asked.ticket, _filling("".join(parts[:1])), said.file)
        except DeliveryRefused as refused:
            log.warning("file_refused", command=asked.name, code=refused.code)
            parts.append(FILE_REFUSED)
            await edit_original(asked.http, asked.ticket, _filling(parts[0]))
    elif deferred:
        await edit_original(asked.http, asked.ticket, _filling(parts[0] if parts else NOTHING_TO_SAY))
    elif asked.by_button and not parts:
        await respond(asked.http, asked.ticket, {"type": UNCHANGED}, asked.due)
    else:
        message = private_message(parts[0] if parts else NOTHING_TO_SAY)
        await respond(asked.http, asked.ticket, {"type": MESSAGE, "data": message}, asked.due)
    for part in parts[1:]:
        await follow_up(asked.http, asked.ticket, private_message(part))


async def _opens(asked: _Asked, modal: dict[str, Any]) -> bool:
    """Open a form; no where Discord does not take it, which leaves the answer's text. Raises a `DeliveryFailure`."""
    try:
        await respond(asked.http, asked.ticket, {"type": MODAL, "data": modal}, asked.due)
    except DeliveryRefused as refused:
        if refused.code != INVALID_BODY:
            raise
        log.error("form_refused", command=asked.name)
        return False
    return True


def _filling(part: str) -> dict[str, Any]:
    """What takes a deferral's place, which has settled who sees it."""
    message = private_message(part)
    del message["flags"]
    return message


async def _suggest(http: HTTPClient, typing: Typing, sink: Sink, patience: float, due: float) -> None:
    """Suggest what may be meant. Nothing is suggested where that fails or takes too long: one can still type."""
    found: list[str] = []
    try:
        async with asyncio.timeout(patience):
            found = list(await sink.complete(typing.command, typing.option, typing.typed))
    except TimeoutError:
        log.info("suggestions_late", command=typing.command.name)
    except Exception as error:  # noqa: BLE001 - who types waits for a list, be it empty
        log.error("suggestions_failed", command=typing.command.name, error=type(error).__name__)
    fitting = [text for text in dict.fromkeys(found) if 0 < len(text) <= LONGEST_SUGGESTION][:MOST_SUGGESTIONS]
    choices = [{"name": text, "value": text} for text in fitting]
    try:
        await respond(http, typing.ticket, {"type": SUGGESTIONS, "data": {"choices": choices}}, due)
    except DeliveryFailure as failure:
        log.info("suggestions_not_shown", code=failure.code)

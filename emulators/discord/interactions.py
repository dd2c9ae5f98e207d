"""Interactions: their life (3 s to the first response, 15 min for the token) and the REST calls that answer them.

Who starts an interaction, and with what data, is in `invocations.py`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from emulators.discord import posting
from emulators.discord.commands import CHOOSABLE, check_choices
from emulators.discord.errors import (
    ALREADY_ACKNOWLEDGED,
    BAD_WEBHOOK_TOKEN,
    UNKNOWN_INTERACTION,
    UNKNOWN_MESSAGE,
    UNKNOWN_WEBHOOK,
    DiscordError,
    FormErrors,
    fail,
)
from emulators.discord.modals import check_modal
from emulators.discord.payloads import JSON, message_payload, user_payload
from emulators.discord.rest import Call, Handler, answer, nothing
from emulators.discord.state import Channel, Message, User
from emulators.discord.validation import CREATE_FIELDS, EDIT_FIELDS, EPHEMERAL, check_message

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5
"""Interaction types."""
SAY, DEFER, DEFER_UPDATE, UPDATE, SUGGEST, SHOW_MODAL = 4, 5, 6, 7, 8, 9
"""Callback types."""
ALLOWED = {
    COMMAND: {SAY, DEFER, SHOW_MODAL},
    COMPONENT: {SAY, DEFER, DEFER_UPDATE, UPDATE, SHOW_MODAL},
    AUTOCOMPLETE: {SUGGEST},
    MODAL: {SAY, DEFER, DEFER_UPDATE, UPDATE},
}
LOADING = 128


@dataclass(slots=True, eq=False)
class Interaction:
    """One interaction and what became of it.

    `response` is the callback type the bot answered with (None until then) and `responded_at` when; `message` is the
    original response, `followups` the later ones, `choices` the autocomplete suggestions, `modal` the form shown.
    Times are monotonic seconds.
    """

    id: int
    token: str
    type: int
    user: User
    channel: Channel
    data: JSON
    source: Message | None
    deadline: float
    expires: float
    at: float = field(default_factory=time.monotonic)
    response: int | None = None
    responded_at: float | None = None
    message: Message | None = None
    followups: list[Message] = field(default_factory=list)
    choices: list[JSON] = field(default_factory=list)
    modal: JSON | None = None
    origin: Interaction | None = None

    @property
    def failed(self) -> bool:
        """Whether the user sees "The application did not respond"."""
        return self.response is None and time.monotonic() > self.deadline

    @property
    def deferred(self) -> bool:
        """Whether the user still sees "thinking…"."""
        return self.message is not None and self.message.loading

    @property
    def ephemeral(self) -> bool:
        """Whether the response shows to the user alone."""
        return self.message is not None and self.message.ephemeral

    @property
    def messages(self) -> list[Message]:
        """The original response and the follow-ups that are still there."""
        all_of_them = [self.message] if self.message is not None else []
        return [m for m in all_of_them + self.followups if not m.deleted]

    @property
    def content(self) -> str | None:
        """The text of the original response, None before there is one."""
        return self.message.content if self.message is not None and not self.message.loading else None

    def metadata(self, application_id: int) -> JSON:
        """`interaction_metadata` of the messages it makes, with the application's id for `payloads.py`."""
        data: JSON = {
            "id": str(self.id),
            "type": self.type,
            "user": user_payload(self.user),
            "authorizing_integration_owners": {"0": str(self.channel.guild.id if self.channel.guild else 0)},
            "application_id": str(application_id),
        }
        if self.type == COMPONENT and self.source is not None:
            data["interacted_message_id"] = str(self.source.id)
        if self.type == MODAL and self.origin is not None:
            inner = self.origin.metadata(application_id)
            del inner["application_id"]
            data["triggering_interaction_metadata"] = inner
        return data


async def callback(call: Call) -> web.Response:
    """POST /interactions/{interaction_id}/{token}/callback: the first response, once and in time."""
    server = call.server
    interaction = server.interactions.get(call.request.match_info["token"])
    if interaction is None or str(interaction.id) != call.request.match_info["interaction_id"]:
        raise fail(UNKNOWN_INTERACTION)
    if interaction.response is not None:
        raise fail(ALREADY_ACKNOWLEDGED)
    if time.monotonic() > interaction.deadline:
        raise fail(UNKNOWN_INTERACTION)
    body = call.object()
    kind, data = body.get("type"), body.get("data") or {}
    allowed = ALLOWED[interaction.type]
    errors = FormErrors()
    if not isinstance(kind, int) or kind not in allowed:
        errors.choice("type", kind, sorted(allowed))
    if kind in {DEFER_UPDATE, UPDATE} and interaction.source is None:
        errors.choice("type", kind, "responses that need no message")
    errors.check()
    assert isinstance(kind, int)
    try:
        respond(call, interaction, kind, dict(data))
    except DiscordError as error:
        if error.errors:
            error.errors = {"data": error.errors}
        raise
    interaction.response, interaction.responded_at = kind, time.monotonic()
    server.changed()
    if call.request.query.get("with_response") in {"1", "true"}:
        return answer(callback_payload(call, interaction))
    return nothing()


def respond(call: Call, interaction: Interaction, kind: int, data: dict[str, Any]) -> None:
    """Do what a callback of `kind` does."""
    if kind in {SAY, DEFER}:
        flags = int(data.get("flags") or 0) & EPHEMERAL
        if kind == SAY:
            call.unknown_fields(CREATE_FIELDS, data)
            check_message(data, call.files, editing=False)
        else:
            flags |= LOADING
        interaction.message = make(call, interaction, data if kind == SAY else {}, flags)
    elif kind in {DEFER_UPDATE, UPDATE}:
        interaction.message = interaction.source
        if kind == UPDATE and interaction.source is not None:
            check_message(data, call.files, editing=True)
            posting.amend(call.server, interaction.source, data, call.files)
    elif kind == SUGGEST:
        interaction.choices = check_suggestions(interaction, data)
    else:
        interaction.modal = check_modal(data)


def make(call: Call, interaction: Interaction, body: dict[str, Any], flags: int) -> Message:
    """A message of the bot that belongs to the interaction; nonces do not count here."""
    first_of_command = interaction.type == COMMAND and interaction.message is None
    return posting.compose(
        call.server,
        interaction.channel,
        call.server.bot,
        {key: value for key, value in body.items() if key not in {"nonce", "enforce_nonce", "message_reference"}},
        call.files,
        flags=flags,
        kind=20 if first_of_command else 0,
        interaction=interaction.metadata(call.server.application_id),
    )


def check_suggestions(interaction: Interaction, data: dict[str, Any]) -> list[JSON]:
    """At most 25 suggestions, of the type of the option that is being typed."""
    errors = FormErrors()
    choices = data.get("choices")
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        errors.required("choices")
        errors.check()
        return []
    if len(choices) > 25:
        errors.add("choices", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    check_choices(choices, "choices", errors, CHOOSABLE[focused(interaction.data["options"])["type"]])
    errors.check()
    return choices


def focused(options: list[JSON]) -> JSON:
    """The option that is being typed, at whatever depth."""
    for option in options:
        if option.get("focused"):
            return option
        if option.get("options"):
            return focused(option["options"])
    raise AssertionError("an autocomplete interaction has a focused option")


def callback_payload(call: Call, interaction: Interaction) -> JSON:
    """What `with_response` asks for."""
    inner: JSON = {"id": str(interaction.id), "type": interaction.type}
    resource: JSON = {"type": interaction.response}
    if interaction.message is not None:
        inner["response_message_id"] = str(interaction.message.id)
        inner["response_message_loading"] = interaction.message.loading
        inner["response_message_ephemeral"] = interaction.message.ephemeral
        resource["message"] = message_payload(interaction.message, call.server.bot)
    return {"interaction": inner, "resource": resource}


def by_token(call: Call) -> Interaction:
    """The interaction a webhook call speaks for: 10015 if unknown or unanswered, 50027 after 15 minutes."""
    if call.snowflake("application_id") != call.server.application_id:
        raise fail(UNKNOWN_WEBHOOK)
    interaction = call.server.interactions.get(call.request.match_info["token"])
    if interaction is None:
        raise fail(UNKNOWN_WEBHOOK)
    if time.monotonic() > interaction.expires:
        raise fail(BAD_WEBHOOK_TOKEN)
    if interaction.response is None:
        raise fail(UNKNOWN_WEBHOOK)
    return interaction


def response_message(call: Call, interaction: Interaction) -> Message:
    """The message of the path: `@original` or the id of one of the interaction's own."""
    wanted = call.request.match_info["message_id"]
    if wanted == "@original":
        found = interaction.message
    else:
        number = call.snowflake("message_id")
        found = next((m for m in interaction.messages if m.id == number), None)
    if found is None or found.deleted:
        raise fail(UNKNOWN_MESSAGE)
    return found


async def follow_up(call: Call) -> web.Response:
    """POST /webhooks/{application_id}/{token}. Right after a deferral it fills the "thinking…" message."""
    interaction = by_token(call)
    body = dict(call.object())
    call.unknown_fields(CREATE_FIELDS, body)
    check_message(body, call.files, editing=False)
    if interaction.deferred and interaction.message is not None:
        message = interaction.message
        posting.amend(call.server, message, body, call.files, filling=True)
    else:
        message = make(call, interaction, body, int(body.get("flags") or 0) & EPHEMERAL)
        interaction.followups.append(message)
        call.server.changed()
    return answer(message_payload(message, call.server.bot))


async def read(call: Call) -> web.Response:
    """GET /webhooks/{application_id}/{token}/messages/{message_id}."""
    return answer(message_payload(response_message(call, by_token(call)), call.server.bot))


async def edit(call: Call) -> web.Response:
    """PATCH /webhooks/{application_id}/{token}/messages/{message_id}."""
    message = response_message(call, by_token(call))
    body = dict(call.object())
    call.unknown_fields(EDIT_FIELDS | {"tts"}, body)
    check_message(body, call.files, editing=True)
    posting.amend(call.server, message, body, call.files, filling=message.loading)
    return answer(message_payload(message, call.server.bot))


async def delete(call: Call) -> web.Response:
    """DELETE /webhooks/{application_id}/{token}/messages/{message_id}."""
    posting.remove(call.server, response_message(call, by_token(call)))
    return nothing()


WEBHOOK = "/webhooks/{application_id}/{token}"
TABLE: list[tuple[str, str, Handler]] = [
    ("POST", "/interactions/{interaction_id}/{token}/callback", callback),
    ("POST", WEBHOOK, follow_up),
    ("GET", WEBHOOK + "/messages/{message_id}", read),
    ("PATCH", WEBHOOK + "/messages/{message_id}", edit),
    ("DELETE", WEBHOOK + "/messages/{message_id}", delete),
]

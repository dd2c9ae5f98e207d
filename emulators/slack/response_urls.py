"""response_url: where a command or a press is answered without a token, five times within thirty minutes."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from aiohttp import web

from emulators.slack import chat, events
from emulators.slack.model import Json, Message, SlackError

if TYPE_CHECKING:
    from emulators.slack.core import Core
    from emulators.slack.state import ResponseUrl

MOST_USES = 5
_KNOWN = frozenset(
    [
        "text",
        "blocks",
        "attachments",
        "response_type",
        "replace_original",
        "delete_original",
        "thread_ts",
        "unfurl_links",
        "unfurl_media",
        "metadata",
        "mrkdwn",
    ]
)


async def respond(core: Core, request: web.Request) -> web.Response:
    """One post: `ok` in plain text, or an error in JSON with a 4xx status."""
    target = core.response_urls.get(request.match_info["key"])
    if target is None:
        return _refusal("invalid_url", 404)
    if time.monotonic() - target.issued > core.timing.response_url_life:
        return _refusal("expired_url", 404)
    if target.uses >= MOST_USES:
        return _refusal("used_url", 404)
    try:
        body = json.loads(await request.read())
    except ValueError:
        return _refusal("invalid_payload", 400)
    if not isinstance(body, dict):
        return _refusal("invalid_payload", 400)
    for key in sorted(set(body) - _KNOWN):
        core.complain(f"response_url: unknown argument {key}")
    try:
        act(core, target, body)
    except SlackError as error:
        return _refusal(error.code, 400)
    target.uses += 1
    return web.Response(text="ok")


def _refusal(code: str, status: int) -> web.Response:
    return web.json_response({"ok": False, "error": code}, status=status)


def act(core: Core, target: ResponseUrl, body: Json) -> None:
    """Carry out an answer, posted here or given with an ack: replace, delete, post to all or to the person alone."""
    original = _original(core, target)
    if _true(body.get("delete_original")):
        if original is None:
            raise SlackError("no_original")
        _delete(core, original)
        return
    if _true(body.get("replace_original")) and original is not None:
        fields = chat.content(body)
        before = events.message_json(core, original)
        original.text, original.blocks, original.attachments = fields["text"], fields["blocks"], fields["attachments"]
        if original.ephemeral_to is None:
            core.change(original, "response_url", edited_by=core.bot.id, before=before)
        else:
            core.note(original, "response_url")
        return
    kind = body.get("response_type", "ephemeral")
    if kind not in ("ephemeral", "in_channel"):
        raise SlackError("invalid_payload")
    message = Message(
        channel=target.channel,
        ts=core.new_ts(),
        user=core.bot.id,
        bot_id=core.bot.bot_id,
        thread_ts=body.get("thread_ts") or target.thread_ts,
        ephemeral_to=target.user if kind == "ephemeral" else None,
        metadata=chat.metadata(body) or None,
        unfurl_links=body.get("unfurl_links"),
        unfurl_media=body.get("unfurl_media"),
        **chat.content(body),
    )
    core.post(message, "response_url")


def _true(value: object) -> bool:
    return value in (True, "true", "1")


def _original(core: Core, target: ResponseUrl) -> Message | None:
    if target.message_ts is None:
        return None
    stored = core.store[target.channel].get(target.message_ts)
    return stored or next((m for m in core.ephemerals if m.ts == target.message_ts), None)


def _delete(core: Core, original: Message) -> None:
    if original.ephemeral_to is None:
        core.remove(original, "response_url")
    else:
        original.deleted = True
        core.note(original, "response_url")

"""What goes to Discord: request bodies of messages, and the nonce that makes a send repeatable. Pure.

How a body travels, and what its failures mean, lives in `rest.py` and `failures.py`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from adapters import buttons
from adapters.discord import markdown
from adapters.discord.values import is_object, objects, string
from bot.messages import Button, PartKey, Reply

SUPPRESS_EMBEDS = 1 << 2
"""Message flag: no link previews."""

EPHEMERAL = 1 << 6
"""Message flag of an interaction's answer: only the one who asked sees it."""

ACTION_ROW, BUTTON = 1, 2
"""Component types."""

SECONDARY = 2
"""Button style: grey, as an answer's words are what matters."""

NOBODY: dict[str, Any] = {"parse": [], "replied_user": False}
"""`allowed_mentions` that pings nobody."""


def new_message(reply: Reply, key: PartKey, reply_to: str | None) -> dict[str, Any]:
    """The body of POST /channels/{id}/messages."""
    body = {**changed_message(reply), "nonce": nonce(key), "enforce_nonce": True}
    if not reply.buttons:
        del body["components"]
    if reply_to is not None:
        body["message_reference"] = {"message_id": reply_to, "fail_if_not_exists": False}
    return body


def changed_message(reply: Reply) -> dict[str, Any]:
    """The body of PATCH /channels/{id}/messages/{id}; pings only whom the reply may name and does name."""
    content = markdown.render(reply.text, reply.mentions)
    permitted = set(reply.mentions.values())
    users = [user for user in markdown.mentioned_ids(content) if user in permitted]
    return {
        "content": content,
        "allowed_mentions": {**NOBODY, "users": users[:100]},
        "flags": SUPPRESS_EMBEDS,
        "components": rows(reply.buttons),
    }


def rows(wanted: Sequence[Button]) -> list[dict[str, Any]]:
    """Buttons as one action row, which holds five; no row where there are none."""
    return [{"type": ACTION_ROW, "components": [_button(each) for each in wanted]}] if wanted else []


def _button(wanted: Button) -> dict[str, Any]:
    look: dict[str, Any] = {"label": buttons.LABELS[wanted]}
    if wanted in buttons.SPOKEN:  # a picture alone
        look = {"emoji": {"name": buttons.LABELS[wanted]}}
    return {"type": BUTTON, "style": SECONDARY, "custom_id": buttons.id_of(wanted), **look}


def private_message(part: str) -> dict[str, Any]:
    """The body of an answer to a command; `part` is Markdown that fits one message."""
    return {"content": markdown.render(part), "allowed_mentions": NOBODY, "flags": EPHEMERAL | SUPPRESS_EMBEDS}


def nonce(key: PartKey) -> str:
    """24 characters out of the key alone (Discord takes 25), so that any process at any time sends the same."""
    digest = hashlib.blake2b(f"{key.turn}\0{key.number}".encode("utf8", "surrogatepass"), digest_size=15).digest()
    return base64.b32encode(digest).decode("ascii")


def is_older_state(returned: object, body: dict[str, Any]) -> bool:
    """Whether the message that came back is another than was sent: the nonce met an earlier send of this part.

    Discord trims white space at both ends of a text.
    """
    if not is_object(returned):
        return False
    if "content" in returned and string(returned["content"]).strip() != str(body["content"]).strip():
        return True
    return "components" in returned and _ids(returned["components"]) != _ids(body.get("components"))


def _ids(components: object) -> list[str]:
    return [string(each.get("custom_id")) for row in objects(components) for each in objects(row.get("components"))]

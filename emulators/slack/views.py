"""views.open, views.update and views.publish: modals against a fresh trigger_id, and the Home tab."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from emulators.slack import blocks as blockkit
from emulators.slack.method import Method
from emulators.slack.model import Json, Modal, SlackError

if TYPE_CHECKING:
    from emulators.slack.core import Core

MOST_BLOCKS = 100
MOST_BYTES = 250_000
MOST_TITLE = 24
MOST_PRIVATE_METADATA = 3_000
MOST_CALLBACK_ID = 255
_KNOWN = frozenset(
    [
        "type",
        "title",
        "blocks",
        "close",
        "submit",
        "private_metadata",
        "callback_id",
        "clear_on_close",
        "notify_on_close",
        "external_id",
        "submit_disabled",
    ]
)


def _problems(view: Any, kind: str) -> list[str]:
    if not isinstance(view, dict):
        return ["[ERROR] must provide an object [json-pointer:/view]"]
    found: list[str] = []
    if view.get("type") != kind:
        found.append(f"[ERROR] view type must be {kind} [json-pointer:/view/type]")
    found += [f"[ERROR] no more than 0 additional properties allowed: {key}" for key in sorted(set(view) - _KNOWN)]
    for name in ("title", "submit", "close"):
        label = view.get(name)
        if label is None and not (name == "title" and kind == "modal"):
            continue
        if (
            not isinstance(label, dict)
            or label.get("type") != "plain_text"
            or not 0 < len(label.get("text", "")) <= MOST_TITLE
        ):
            found.append(f"[ERROR] must be plain_text of 1 to {MOST_TITLE} characters [json-pointer:/view/{name}]")
    if len(view.get("private_metadata") or "") > MOST_PRIVATE_METADATA:
        found.append("[ERROR] must be less than 3001 characters [json-pointer:/view/private_metadata]")
    found += blockkit.problems(view.get("blocks"), most=MOST_BLOCKS, allowed=blockkit.IN_VIEWS)
    if kind == "home" and (view.get("submit") or view.get("close")):
        found.append("[ERROR] a home view has neither submit nor close [json-pointer:/view]")
    if len(view.get("callback_id") or "") > MOST_CALLBACK_ID:
        found.append("[ERROR] must be less than 256 characters [json-pointer:/view/callback_id]")
    if not found and kind == "modal" and not view.get("submit") and any(b["type"] == "input" for b in view["blocks"]):
        found.append("[ERROR] missing required field: submit [json-pointer:/view]")
    return found


def checked(core: Core, view: Json, kind: str, identity: str | None = None) -> Json:
    """A view as the platform keeps it, under its id or a new one; raises invalid_arguments, view_too_large."""
    if found := _problems(view, kind):
        raise SlackError("invalid_arguments", messages=tuple(found))
    if len(json.dumps(view)) > MOST_BYTES:
        raise SlackError("view_too_large")
    blocks = [{"block_id": f"v{number}"} | block for number, block in enumerate(view["blocks"])]
    identity = identity or core.new_id("V")
    defaults: Json = {
        "private_metadata": "",
        "callback_id": "",
        "external_id": "",
        "title": None,
        "submit": None,
        "close": None,
    }
    return {
        **defaults,
        "clear_on_close": False,
        "notify_on_close": False,
        **view,
        "blocks": blocks,
        "id": identity,
        "team_id": core.team_id,
        "app_id": core.app_id,
        "bot_id": core.bot.bot_id,
        "hash": f"{int(time.time())}.{uuid.uuid4().hex[:8]}",
        "state": {"values": {}},
        "previous_view_id": None,
        "root_view_id": identity,
    }


def open_view(core: Core, arguments: Json) -> Json:
    trigger = core.triggers.get(arguments.get("trigger_id") or arguments.get("interactivity_pointer") or "")
    if trigger is None:
        raise SlackError("invalid_trigger_id")
    if trigger.exchanged:
        raise SlackError("exchanged_trigger_id")
    if time.monotonic() - trigger.issued > core.timing.trigger_life:
        raise SlackError("expired_trigger_id")
    view = checked(core, arguments["view"], "modal")
    trigger.exchanged = True
    core.views.append(view)
    core.modals.append(Modal(trigger.user, view))
    core.changed()
    return {"view": view}


def update_view(core: Core, arguments: Json) -> Json:
    wanted = arguments.get("view_id")
    if not wanted and not arguments.get("external_id"):
        raise SlackError("invalid_arguments", messages=("[ERROR] missing required field: view_id or external_id",))
    for modal in core.modals:
        if modal.is_open and wanted in (None, modal.view["id"]):
            if arguments.get("external_id", modal.view["external_id"]) != modal.view["external_id"]:
                continue
            if arguments.get("hash", modal.view["hash"]) != modal.view["hash"]:
                raise SlackError("hash_conflict")
            modal.view, modal.errors = checked(core, arguments["view"], "modal", modal.view["id"]), {}
            core.changed()
            return {"view": modal.view}
    raise SlackError("not_found")


def publish_view(core: Core, arguments: Json) -> Json:
    if arguments["user_id"] not in core.users:
        raise SlackError("invalid_arguments", messages=("[ERROR] invalid `user_id`",))
    if not core.home_tab:
        raise SlackError("not_enabled")
    standing = core.homes.get(arguments["user_id"])
    if arguments.get("hash") and (standing is None or standing["hash"] != arguments["hash"]):
        raise SlackError("hash_conflict")
    core.homes[arguments["user_id"]] = view = checked(core, arguments["view"], "home")
    core.changed()
    return {"view": view}


_OPEN = {"view": "json!", "trigger_id": "str?", "interactivity_pointer": "str?"}
_UPDATE = {"view": "json!", "view_id": "str", "external_id": "str", "hash": "str"}
_PUBLISH = {"view": "json!", "user_id": "str!", "hash": "str", "interactivity_pointer": "str"}

METHODS = [
    Method("views.open", _OPEN, open_view, "t4"),
    Method("views.update", _UPDATE, update_view, "t4"),
    Method("views.publish", _PUBLISH, publish_view, "t4"),
]

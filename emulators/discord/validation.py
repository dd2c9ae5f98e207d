"""What a message's body must look like: lengths, embeds, components, nonces, attachments.

Everything wrong with a body is gathered into one 50035 answer. Limits are those of the API reference
(message, embed and component pages). What the body then does is `posting.py`'s business.
"""

from __future__ import annotations

import re
from typing import Any

from emulators.discord.errors import FormErrors
from emulators.discord.mentions import check_allowed_mentions
from emulators.discord.state import Upload

CONTENT, NONCE, UPLOAD_BYTES, TOTAL_EMBED = 2_000, 25, 10 * 1024 * 1024, 6_000
SUPPRESS_EMBEDS, EPHEMERAL, SUPPRESS_NOTIFICATIONS, COMPONENTS_V2 = 1 << 2, 1 << 6, 1 << 12, 1 << 15
CREATE_FIELDS = {
    "content",
    "nonce",
    "enforce_nonce",
    "tts",
    "embeds",
    "allowed_mentions",
    "message_reference",
    "components",
    "attachments",
    "flags",
}
EDIT_FIELDS = {"content", "embeds", "flags", "allowed_mentions", "components", "attachments"}
HTTP_URL = re.compile(r"(https?|discord|attachment)://\S+$", re.IGNORECASE)


def check_message(body: dict[str, Any], files: dict[int, Upload], *, editing: bool) -> None:
    """Raise 50035 with everything wrong in a message's body."""
    errors = FormErrors()
    content = body.get("content")
    if content is not None and not isinstance(content, str):
        errors.add("content", "BASE_TYPE_BAD_TYPE", "Only string types may be used in a StringType")
    elif content is not None and len(content) > CONTENT:
        errors.too_long("content", CONTENT)
    check_embeds(body.get("embeds"), errors)
    check_components(body, errors)
    check_allowed_mentions(body.get("allowed_mentions"), "allowed_mentions", errors)
    check_attachments(body.get("attachments"), files, errors, editing=editing)
    flags = body.get("flags")
    if flags is not None and (not isinstance(flags, int) or isinstance(flags, bool)):
        errors.add("flags", "NUMBER_TYPE_COERCE", f'Value "{flags}" is not int.')
    if not editing:
        check_nonce(body.get("nonce"), errors)
    errors.check()


def check_nonce(nonce: Any, errors: FormErrors) -> None:
    """A nonce is a string of at most 25 characters or an integer."""
    if nonce is None:
        return
    if isinstance(nonce, bool) or not isinstance(nonce, int | str):
        errors.add("nonce", "NONCE_TYPE_INVALID", "Nonce must be a string or an integer.")
    elif len(str(nonce)) > NONCE:
        errors.add("nonce", "NONCE_TYPE_TOO_LONG", f"Must be {NONCE} or fewer in length.")


def check_embeds(embeds: Any, errors: FormErrors) -> None:
    """At most 10 embeds, each part within its length, 6,000 characters over all of them."""
    if embeds is None:
        return
    if not isinstance(embeds, list):
        errors.add("embeds", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        return
    if len(embeds) > 10:
        errors.add("embeds", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
    total = 0
    for index, embed in enumerate(embeds):
        path = f"embeds.{index}"
        if not isinstance(embed, dict):
            errors.add(path, "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
            continue
        total += _check_embed(embed, path, errors)
    if total > TOTAL_EMBED:
        errors.add("embeds", "MAX_EMBED_SIZE_EXCEEDED", f"Embed size exceeds maximum size of {TOTAL_EMBED}")


def _check_embed(embed: dict[str, Any], path: str, errors: FormErrors) -> int:
    """Note what is wrong with one embed and return how many characters it counts for."""
    parts = [
        ("title", embed.get("title"), 256),
        ("description", embed.get("description"), 4_096),
        ("footer.text", (embed.get("footer") or {}).get("text"), 2_048),
        ("author.name", (embed.get("author") or {}).get("name"), 256),
    ]
    total = 0
    for name, text, limit in parts:
        if text is not None:
            total += len(str(text).strip())
            if len(str(text)) > limit:
                errors.too_long(f"{path}.{name}", limit)
    fields = embed.get("fields") or []
    if len(fields) > 25:
        errors.add(f"{path}.fields", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    for number, entry in enumerate(fields):
        for name, limit in (("name", 256), ("value", 1_024)):
            text = str(entry.get(name) or "")
            total += len(text.strip())
            if not text.strip():
                errors.required(f"{path}.fields.{number}.{name}")
            elif len(text) > limit:
                errors.too_long(f"{path}.fields.{number}.{name}", limit)
    url = embed.get("url")
    if url is not None and not HTTP_URL.match(str(url)):
        errors.add(f"{path}.url", "URL_TYPE_INVALID_URL", "Not a well formed URL.")
    if total == 0 and not any(embed.get(key) for key in ("image", "thumbnail", "url", "timestamp")):
        errors.required(f"{path}.description")
    return total


def check_components(body: dict[str, Any], errors: FormErrors) -> None:
    """Five rows of five buttons; or, with the components v2 flag, 40 components and nothing beside them."""
    components = body.get("components")
    if not components:
        return
    if not isinstance(components, list) or not all(isinstance(c, dict) for c in components):
        errors.add("components", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        return
    v2 = bool(int(body.get("flags") or 0) & COMPONENTS_V2)
    if v2:
        if body.get("content"):
            errors.add(
                "content",
                "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                "The 'content' field cannot be used when using MessageFlags.IS_COMPONENTS_V2",
            )
        if body.get("embeds"):
            errors.add(
                "embeds",
                "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                "The 'embeds' field cannot be used when using MessageFlags.IS_COMPONENTS_V2",
            )
        if len(list(walk(components))) > 40:
            errors.add("components", "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", "Cannot exceed 40 total components")
    elif len(components) > 5:
        errors.bad_length("components", 1, 5)
    seen: set[str] = set()
    for index, component in enumerate(components):
        if component.get("type") != 1:
            if not v2:
                errors.choice(f"components.{index}.type", component.get("type"), "(1,)")
            continue
        _check_row(component, f"components.{index}", seen, errors)


def walk(components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All components, with those inside rows, sections and containers."""
    found: list[dict[str, Any]] = []
    for component in components:
        found.append(component)
        found += walk(component.get("components") or [])
        found += walk([component[key] for key in ("accessory", "component") if component.get(key)])
    return found


def _check_row(row: dict[str, Any], path: str, seen: set[str], errors: FormErrors) -> None:
    inside = row.get("components")
    if not isinstance(inside, list) or not 1 <= len(inside) <= 5:
        errors.bad_length(f"{path}.components", 1, 5)
        return
    for index, item in enumerate(inside):
        where = f"{path}.components.{index}"
        kind = item.get("type")
        if kind not in {2, 3, 5, 6, 7, 8}:
            errors.choice(f"{where}.type", kind, "(2, 3, 5, 6, 7, 8)")
            continue
        link = kind == 2 and item.get("style") in {5, 6}
        custom_id = item.get("custom_id")
        if not link:
            if not isinstance(custom_id, str) or not custom_id:
                errors.required(f"{where}.custom_id")
            elif len(custom_id) > 100:
                errors.bad_length(f"{where}.custom_id", 1, 100)
            elif custom_id in seen:
                errors.add(
                    f"{where}.custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated"
                )
            seen.add(str(custom_id))
        if kind == 2:
            _check_button(item, where, errors)
        elif len(inside) > 1:
            errors.add(f"{path}.components", "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "Too many items in row")
        elif kind == 3 and not 1 <= len(item.get("options") or []) <= 25:
            errors.bad_length(f"{where}.options", 1, 25)


def _check_button(button: dict[str, Any], where: str, errors: FormErrors) -> None:
    if button.get("style") not in {1, 2, 3, 4, 5, 6}:
        errors.choice(f"{where}.style", button.get("style"), "(1, 2, 3, 4, 5, 6)")
    if button.get("style") == 5 and not button.get("url"):
        errors.add(f"{where}.url", "BUTTON_COMPONENT_URL_REQUIRED", "A url is required")
    label = button.get("label")
    if label is not None and len(label) > 80:
        errors.too_long(f"{where}.label", 80)
    if not label and not button.get("emoji") and button.get("style") != 6:
        errors.add(where, "BUTTON_COMPONENT_INVALID", "A button must have a label or emoji")


def check_attachments(value: Any, files: dict[int, Upload], errors: FormErrors, *, editing: bool) -> None:
    """At most 10 files; `attachments` may describe new files by their number, and in edits keep old ones."""
    if len(files) > 10:
        errors.add("files", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
    if value is None:
        return
    if not isinstance(value, list):
        errors.add("attachments", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        return
    for index, entry in enumerate(value):
        number = entry.get("id") if isinstance(entry, dict) else None
        if not str(number).isdecimal():
            errors.add(f"attachments.{index}.id", "NUMBER_TYPE_COERCE", f'Value "{number}" is not snowflake.')
        elif int(str(number)) not in files and not editing:
            errors.add(f"attachments.{index}", "ATTACHMENT_NOT_FOUND", "The requested attachment was not found.")
        elif len(str(entry.get("description") or "")) > 1_024:
            errors.too_long(f"attachments.{index}.description", 1_024)

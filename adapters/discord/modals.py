"""The core's forms as Discord's modals, and what comes back of one. Pure.

A modal can only be the first response to a command, and closes when it is sent: what is wrong in it has to be said
in a message. Limits: https://discord.com/developers/docs/components/reference#text-input and #label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from adapters.discord.parsing import PLATFORM
from adapters.discord.values import identifier, is_object, objects, string
from bot.interactions import CommandAnswer, Form, FormField, FormSubmitted
from bot.messages import Address

TEXT_INPUT, LABEL = 4, 18
"""Component types."""

SHORT, PARAGRAPH = 1, 2
"""Text input styles: a line, several lines."""

MOST_FIELDS = 5
LONGEST_TITLE = 45
LONGEST_LABEL = 45
LONGEST_HINT = 100
"""Characters of a label's description and of a placeholder."""

LONGEST_VALUE = 4_000
LONGEST_ID = 100

SHOWN_AGAIN = 60
"""A field's text of more characters, or of several lines, is given back where the form was not taken."""

_PREFIX = "form"
_NAME = re.compile(r"[a-z_]{1,32}")
_BACKTICKS = re.compile(r"`+")


def can_show(form: Form) -> bool:
    """Whether a form is one modal: few enough fields, and texts that it takes."""
    return (
        0 < len(form.fields) <= MOST_FIELDS
        and not too_long(form)
        and _NAME.fullmatch(form.name) is not None
        and len(_custom_id(form)) <= LONGEST_ID
        and all(0 < len(field.name) <= LONGEST_ID for field in form.fields)
    )


def too_long(form: Form) -> str:
    """What to say of fields whose present text no modal can hold; the empty text where there are none."""
    long = [field for field in form.fields if len(field.value) > LONGEST_VALUE]
    if not long:
        return ""
    names = ", ".join(f"**{field.name}** ({len(field.value):,} characters)" for field in long)
    return (
        f"Too long for a form here, which takes {LONGEST_VALUE:,} characters: {names}. Give it as the command's value, "
        "or write it in a message to me that begins with `!set`."
    )


def modal(form: Form) -> dict[str, Any]:
    """The data of a response that opens a form which `can_show`."""
    return {
        "custom_id": _custom_id(form),
        "title": _cut(form.title, LONGEST_TITLE) or "…",
        "components": [_label(field) for field in form.fields],
    }


def _label(field: FormField) -> dict[str, Any]:
    """A label with a text input. A choice is typed too: its placeholder says what there is to choose."""
    several = field.kind == "lines" or "\n" in field.value
    text_input: dict[str, Any] = {
        "type": TEXT_INPUT,
        "custom_id": field.name,
        "style": PARAGRAPH if several else SHORT,
        "required": False,
        "min_length": 0,
        "max_length": max(1, min(field.longest, LONGEST_VALUE), len(field.value)),
    }
    if field.kind == "choice" and field.choices:
        text_input["placeholder"] = _cut(", ".join(field.choices), LONGEST_HINT)
    if field.value:
        text_input["value"] = field.value
    label = {"type": LABEL, "label": _cut(field.label, LONGEST_LABEL) or "…", "component": text_input}
    return {**label, "description": hint} if (hint := _cut(field.hint, LONGEST_HINT)) else label


def _cut(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def _custom_id(form: Form) -> str:
    about = form.address
    return ":".join((_PREFIX, about.workspace, about.channel, about.thread or "", form.name))


def read_custom_id(custom_id: str) -> tuple[str, Address] | None:
    """The name of a form and what it is about; None where it is none of ours.

    The id comes back from a client, which may put anything there: what is no name of ours gets into no log.
    """
    prefix, *rest = custom_id.split(":", 4)
    if prefix != _PREFIX or len(rest) != 4:
        return None
    workspace, channel, thread, name = rest
    if not _NAME.fullmatch(name) or not identifier(channel):
        return None
    if any(part and not identifier(part) for part in (workspace, thread)):
        return None
    return name, Address(PLATFORM, workspace, channel, thread or None)


def read_values(components: object) -> dict[str, str]:
    """Every field's text of a modal that was sent, by the field's name."""
    return {
        string(component.get("custom_id")): string(component.get("value"))
        for component in _inside(components)
        if component.get("type") == TEXT_INPUT
    }


def _inside(components: object) -> Iterator[Mapping[str, Any]]:
    for row in objects(components):
        yield from objects(row.get("components"))
        if is_object(row.get("component")):
            yield row["component"]


def with_problems(said: CommandAnswer, submitted: FormSubmitted) -> str:
    """An answer to a form as one text: what was wrong, and what was written at length, as the form has closed."""
    if not said.problems:
        return said.text
    lines = "\n".join(f"- **{name}**: {why}" for name, why in said.problems.items())
    written = [
        f"What you wrote as **{name}**:\n\n{_fenced(text)}"
        for name, text in submitted.values.items()
        if len(text) > SHOWN_AGAIN or "\n" in text.strip()
    ]
    return "\n\n".join(part for part in (said.text, lines, *written) if part)


def _fenced(text: str) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"

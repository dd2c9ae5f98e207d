"""A form as a Slack modal, and what comes back of it. Pure.

A modal's inputs carry their field's name as `action_id`; the `block_id` has a number in front, as a view that is shown
anew keeps what was typed only under new block ids.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.markdown import parse, plain_text
from adapters.slack.blockkit import MOST_BLOCKS, Block, cut, plain, sections
from adapters.slack.mrkdwn import length
from adapters.slack.parsing import PLATFORM
from adapters.slack.values import clean
from bot.interactions import CommandAnswer, Form, FormField
from bot.messages import Address

CALLBACK = "parley_form"
NOT_SET = "(not set here)"
"""The option of a choice that stands for the empty text: an option of Slack's can't be empty."""

# https://docs.slack.dev/reference/views and …/block-kit/block-elements/plain-text-input-element,
# …/select-menu-element#static_select, …/composition-objects/option-object, …/blocks/input-block
_TITLE = 24
_INPUT = 3_000
_OPTIONS = 100
_OPTION_TEXT = 75
_OPTION_VALUE = 150
_LABEL = 2_000

_TOO_LONG = (
    "*{name}* has {length:,} characters, and a form on Slack takes {most:,}. "
    "To change it, write a message to me: `!set {name} …`"
)
_CHANGED_NOTHING = "Nothing was changed. What is wrong stands here; correct it and send the form again:"


@dataclass(frozen=True, slots=True)
class Submission:
    """A form that was filled in: every field's text, and the block it stood in. `at_home`: opened from the Home tab."""

    form: str
    address: Address
    values: Mapping[str, str]
    blocks: Mapping[str, str]
    at_home: bool
    view: Mapping[str, Any]


def modal(form: Form, *, at_home: bool = False) -> dict[str, Any] | None:
    """The view for `views.open`; None where Slack has room for no field of the form."""
    blocks = [_left_out(field) if _is_too_long(field) else _input(field, 1) for field in form.fields][:MOST_BLOCKS]
    if not any(block["type"] == "input" for block in blocks):
        return None
    metadata = {"form": form.name, "channel": form.address.channel, "thread": form.address.thread, "home": at_home}
    return _view(form.title, blocks) | {
        "submit": plain(form.submit, _TITLE),
        "close": plain("Cancel", _TITLE),
        "private_metadata": json.dumps(metadata),
    }


def read(view: object, workspace: str) -> Submission | None:
    """What a `view_submission` brings; None for a view that is no form of ours."""
    if not isinstance(view, dict) or view.get("callback_id") != CALLBACK:
        return None
    metadata = _metadata(view.get("private_metadata"))
    state = view.get("state")
    answered = state.get("values") if isinstance(state, dict) else None
    form, channel, thread = (clean(metadata.get(name)) for name in ("form", "channel", "thread"))
    if not form or not channel or not isinstance(answered, dict):
        return None
    values: dict[str, str] = {}
    blocks: dict[str, str] = {}
    for block_id, elements in answered.items():
        for name, element in (elements if isinstance(elements, dict) else {}).items():
            values[clean(name)] = _typed(element)
            blocks[clean(name)] = block_id
    address = Address(PLATFORM, workspace, channel, thread or None)
    return Submission(form, address, values, blocks, metadata.get("home") is True, view)


def refusal(submission: Submission, problems: Mapping[str, str]) -> dict[str, Any]:
    """The acknowledgement that keeps a form open and shows beside its fields what is wrong with them.

    https://docs.slack.dev/surfaces/modals#displaying_errors: only inputs of the view can have an error.
    """
    errors: dict[str, str] = {}
    for name, problem in problems.items():
        block = submission.blocks.get(name) or next(iter(submission.blocks.values()), "")
        words = _without_markup(problem)
        errors[block] = f"{errors[block]} {words}" if block in errors else words
    if "" in errors:
        return {"response_action": "update", "view": told(submission, " ".join(errors.values()))}
    return {"response_action": "errors", "errors": errors}


def working(submission: Submission) -> dict[str, Any]:
    """The view while a form that was sent is still being taken in."""
    return told(submission, "Working on it …")


def told(submission: Submission, text: str) -> dict[str, Any]:
    """The view that says what came of a form."""
    return notice(_title(submission.view), text)


def notice(title: str, markdown: str) -> dict[str, Any]:
    """A modal that only says something."""
    return _view(title, sections(markdown)[:MOST_BLOCKS]) | {"close": plain("Close", _TITLE)}


def again(submission: Submission, answer: CommandAnswer) -> dict[str, Any]:
    """The form once more, as it was filled in, with what was wrong above it."""
    blocks = sections(f"{_CHANGED_NOTHING}\n\n{listed(answer.problems)}")
    shown = submission.view.get("blocks")
    for block in shown if isinstance(shown, list) else ():
        if isinstance(block, dict) and block.get("type") == "input" and isinstance(block.get("element"), dict):
            blocks.append(_filled_in(block, submission))
    submit = submission.view.get("submit")
    return _view(_title(submission.view), blocks[:MOST_BLOCKS]) | {
        "submit": plain(clean(submit.get("text")) if isinstance(submit, dict) else "Save", _TITLE),
        "close": plain("Cancel", _TITLE),
        "private_metadata": clean(submission.view.get("private_metadata")),
    }


def listed(problems: Mapping[str, str]) -> str:
    """What is wrong with each field, as Markdown."""
    return "\n".join(f"- **{name}**: {problem}" for name, problem in problems.items())


def _view(title: str, blocks: list[Block]) -> dict[str, Any]:
    return {"type": "modal", "callback_id": CALLBACK, "title": plain(title, _TITLE), "blocks": blocks}


def _is_too_long(field: FormField) -> bool:
    return length(field.value) > min(field.longest, _INPUT) if not _is_select(field) else False


def _is_select(field: FormField) -> bool:
    return field.kind == "choice" and len(_choices(field)) < _OPTIONS


def _choices(field: FormField) -> tuple[str, ...]:
    held = () if not field.value or field.value in field.choices else (field.value,)
    return tuple(choice for choice in (*field.choices, *held) if length(choice) <= _OPTION_VALUE)


def _left_out(field: FormField) -> Block:
    text = _TOO_LONG.format(name=field.name, length=len(field.value), most=min(field.longest, _INPUT))
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}


def _input(field: FormField, number: int) -> Block:
    element: dict[str, Any] = {"action_id": field.name}
    if _is_select(field):
        options = [_option(choice) for choice in (NOT_SET, *_choices(field))]
        element |= {"type": "static_select", "options": options, "initial_option": _option(field.value or NOT_SET)}
    else:
        most = max(1, min(field.longest, _INPUT))
        element |= {"type": "plain_text_input", "multiline": field.kind == "lines", "max_length": most}
        if field.value:
            element["initial_value"] = field.value
    block = {
        "type": "input",
        "block_id": f"{number}:{field.name}",
        "optional": True,
        "label": plain(field.label, _LABEL),
        "element": element,
    }
    return block | ({"hint": plain(field.hint, _LABEL)} if field.hint else {})


def _option(choice: str) -> dict[str, Any]:
    return {"text": plain(choice, _OPTION_TEXT), "value": choice}


def _filled_in(block: Mapping[str, Any], submission: Submission) -> Block:
    """An input as Slack gave it back, with what was typed into it."""
    element = block["element"]
    name = clean(element.get("action_id"))
    value = submission.values.get(name, "")
    kept = {key: element[key] for key in ("type", "action_id", "options", "multiline", "max_length") if key in element}
    if element.get("type") == "static_select":
        options = element.get("options")
        for option in options if isinstance(options, list) else ():
            if isinstance(option, dict) and option.get("value") == (value or NOT_SET):
                kept["initial_option"] = option
    elif value:
        kept["initial_value"] = value
    shown = {key: block[key] for key in ("type", "optional", "label", "hint") if block.get(key) is not None}
    number = clean(block.get("block_id")).partition(":")[0]
    return shown | {"element": kept, "block_id": f"{int(number) + 1 if number.isdecimal() else 2}:{name}"}


def _typed(element: object) -> str:
    """What stands in an element of `view.state`; the empty text where nothing does."""
    if not isinstance(element, dict):
        return ""
    selected = element.get("selected_option")
    if isinstance(selected, dict):
        value = clean(selected.get("value"))
        return "" if value == NOT_SET else value
    return clean(element.get("value"))


def _without_markup(markdown: str) -> str:
    """An error beside a field is plain text."""
    return " ".join(plain_text(token.children or []) for token in parse(markdown) if token.type == "inline")


def _title(view: Mapping[str, Any]) -> str:
    title = view.get("title")
    return cut(clean(title.get("text")) if isinstance(title, dict) else "", _TITLE) or "Parley"


def _metadata(text: object) -> Mapping[str, Any]:
    try:
        found = json.loads(clean(text))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

"""Block Kit as Slack judges it: which blocks a message or a view may hold, and how long their parts may be.

The lengths come from slack_sdk's own models; what those do not check (unknown keys, empty texts, sums) is added here.
"""

from __future__ import annotations

from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

from emulators.slack.model import Json

KNOWN = frozenset(
    [
        "actions",
        "alert",
        "call",
        "card",
        "carousel",
        "container",
        "context",
        "context_actions",
        "divider",
        "file",
        "header",
        "image",
        "input",
        "markdown",
        "plan",
        "rich_text",
        "section",
        "table",
        "task_card",
        "video",
    ]
)
IN_VIEWS = frozenset(
    ["actions", "alert", "context", "divider", "header", "image", "input", "rich_text", "section", "video"]
)
"""The blocks of modals and Home tabs; markdown and table blocks, for instance, are for messages alone."""
MARKDOWN_TOTAL = 12_000
"""All markdown blocks of one message together (docs.slack.dev, markdown block)."""
_BUTTON_TEXT = 75
_BUTTON_VALUE = 2_000
_TEXT_OBJECT = 3_000
_IDENTIFIER = 255
_PLACEHOLDER = 150
_LABEL = 2_000
_INPUT = 3_000
_OPTIONS = 100
_OPTION_TEXT = 75
_OPTION_VALUE = 150


def problems(blocks: Any, *, most: int = 50, allowed: frozenset[str] = KNOWN) -> list[str]:
    """What is wrong with `blocks`, in the manner of `response_metadata.messages`; empty where nothing is."""
    if not isinstance(blocks, list):
        return ["[ERROR] must provide an array [json-pointer:/blocks]"]
    found = [f"[ERROR] no more than {most} items allowed [json-pointer:/blocks]"] if len(blocks) > most else []
    ids: set[str] = set()
    for number, block in enumerate(blocks):
        where = f"/blocks/{number}"
        found += [f"[ERROR] {problem} [json-pointer:{where}]" for problem in _block(block, allowed)]
        if isinstance(block, dict) and isinstance(block_id := block.get("block_id"), str):
            if block_id in ids:
                found.append(f"[ERROR] `block_id` {block_id} already exists [json-pointer:{where}/block_id]")
            ids.add(block_id)
    return found


def markdown_length(blocks: list[Json]) -> int:
    """Characters in all markdown blocks together."""
    return sum(len(block.get("text", "")) for block in blocks if block.get("type") == "markdown")


def _block(block: Any, allowed: frozenset[str]) -> list[str]:
    if not isinstance(block, dict):
        return ["must provide an object"]
    kind = block.get("type")
    if kind not in allowed:
        return [f"unsupported type: {kind}"]
    try:
        parsed = Block.parse(block)
        if parsed is None:
            return [f"unsupported type: {kind}"]
        parsed.validate_json()
    except SlackObjectFormationError as error:
        return [str(error)]
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        return [f"failed to match all allowed schemas: {error}"]
    found = [
        f"no more than 0 additional properties allowed: {key}" for key in sorted(set(block) - set(parsed.attributes))
    ]
    if kind == "section" and not (block.get("text") or block.get("fields")):
        found.append("missing required field: text")
    if kind == "markdown" and not block.get("text"):
        found.append("must be more than 0 characters")
    if kind in ("actions", "context", "rich_text") and not block.get("elements"):
        found.append("must have at least 1 item")
    if len(str(block.get("block_id") or "")) > _IDENTIFIER:
        found.append("must be less than 256 characters: block_id")
    if kind == "input":
        found += _input(block)
    found += _repeated(block)
    return found + (_parts(block) if kind != "rich_text" else [])


def _repeated(block: Json) -> list[str]:
    """The action_ids that more than one element of the block has."""
    elements = [e for e in [block.get("accessory"), *block.get("elements", [])] if isinstance(e, dict)]
    ids = [e["action_id"] for e in elements if isinstance(e.get("action_id"), str)]
    return [f"`action_id` {each} already exists" for each in sorted({i for i in ids if ids.count(i) > 1})]


def _input(block: Json) -> list[str]:
    found = []
    for name in ("label", "hint"):
        text = block.get(name)
        if text is None and name == "hint":
            continue
        if not isinstance(text, dict) or text.get("type") != "plain_text":
            found.append(f"must be plain_text: {name}")
        elif len(str(text.get("text"))) > _LABEL:
            found.append(f"must be less than {_LABEL + 1} characters: {name}")
    element = block.get("element")
    if not isinstance(element, dict) or not element.get("action_id"):
        found.append("missing required field: element")
    return found


def _text_input(element: Json) -> list[str]:
    found = []
    least, most = element.get("min_length", 0), element.get("max_length", _INPUT)
    if not 1 <= most <= _INPUT or not 0 <= least <= most:
        found.append(f"must be from 1 to {_INPUT}: max_length")
    if "initial_value" in element and not least <= len(element["initial_value"]) <= most:
        found.append(f"must be less than {most + 1} characters: initial_value")
    return found


def _select(element: Json) -> list[str]:
    options = element.get("options")
    if "option_groups" in element and options is None:
        return []
    if not isinstance(options, list) or not 1 <= len(options) <= _OPTIONS:
        return [f"must have 1 to {_OPTIONS} items: options"]
    found = []
    for option in options:
        text = option.get("text", {}).get("text", "")
        if not 1 <= len(text) <= _OPTION_TEXT:
            found.append(f"must be 1 to {_OPTION_TEXT} characters: option text")
        if not 1 <= len(option.get("value") or "") <= _OPTION_VALUE:
            found.append(f"must be 1 to {_OPTION_VALUE} characters: option value")
    if len({option.get("value") for option in options}) < len(options):
        found.append("options must have values of their own")
    if "initial_option" in element and element["initial_option"] not in options:
        found.append("must be one of the provided options: initial_option")
    return found


def _text(node: Json) -> list[str]:
    text = node.get("text")
    if not isinstance(text, str):
        return ["must provide a string: text"]
    if not text:
        return ["must be more than 0 characters: text"]
    return [f"must be less than {_TEXT_OBJECT + 1} characters: text"] if len(text) > _TEXT_OBJECT else []


def _button(element: Json) -> list[str]:
    found = []
    label = element.get("text")
    if not isinstance(label, dict) or label.get("type") != "plain_text":
        found.append("button text must be plain_text")
    elif len(str(label.get("text"))) > _BUTTON_TEXT:
        found.append(f"must be less than {_BUTTON_TEXT + 1} characters: button text")
    if len(str(element.get("value") or "")) > _BUTTON_VALUE:
        found.append(f"must be less than {_BUTTON_VALUE + 1} characters: value")
    return found


_JUDGES = {
    "plain_text": _text,
    "mrkdwn": _text,
    "button": _button,
    "plain_text_input": _text_input,
    "static_select": _select,
}


def _parts(node: Any) -> list[str]:
    """What is wrong with the elements and texts inside a block, however deep."""
    if isinstance(node, list):
        return [problem for value in node for problem in _parts(value)]
    if not isinstance(node, dict):
        return []
    found: list[str] = []
    if len(str(node.get("action_id") or "")) > _IDENTIFIER:
        found.append(f"must be less than {_IDENTIFIER + 1} characters: action_id")
    placeholder = node.get("placeholder")
    if isinstance(placeholder, dict) and len(str(placeholder.get("text") or "")) > _PLACEHOLDER:
        found.append(f"must be less than {_PLACEHOLDER + 1} characters: placeholder")
    if (judge := _JUDGES.get(str(node.get("type")))) is not None:
        found += judge(node)
    return found + [problem for value in node.values() if isinstance(value, (dict, list)) for problem in _parts(value)]

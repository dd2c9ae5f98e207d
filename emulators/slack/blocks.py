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
MARKDOWN_TOTAL = 12_000
"""All markdown blocks of one message together (docs.slack.dev, markdown block)."""
_BUTTON_TEXT = 75
_BUTTON_VALUE = 2_000
_TEXT_OBJECT = 3_000


def problems(blocks: Any, *, most: int = 50) -> list[str]:
    """What is wrong with `blocks`, in the manner of `response_metadata.messages`; empty where nothing is."""
    if not isinstance(blocks, list):
        return ["[ERROR] must provide an array [json-pointer:/blocks]"]
    found = [f"[ERROR] no more than {most} items allowed [json-pointer:/blocks]"] if len(blocks) > most else []
    ids: set[str] = set()
    for number, block in enumerate(blocks):
        where = f"/blocks/{number}"
        found += [f"[ERROR] {problem} [json-pointer:{where}]" for problem in _block(block)]
        if isinstance(block, dict) and isinstance(block_id := block.get("block_id"), str):
            if block_id in ids:
                found.append(f"[ERROR] `block_id` {block_id} already exists [json-pointer:{where}/block_id]")
            ids.add(block_id)
    return found


def markdown_length(blocks: list[Json]) -> int:
    """Characters in all markdown blocks together."""
    return sum(len(block.get("text", "")) for block in blocks if block.get("type") == "markdown")


def _block(block: Any) -> list[str]:
    if not isinstance(block, dict):
        return ["must provide an object"]
    kind = block.get("type")
    if kind not in KNOWN:
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
    return found + (_parts(block) if kind != "rich_text" else [])


def _parts(node: Any) -> list[str]:
    if isinstance(node, list):
        return [problem for value in node for problem in _parts(value)]
    if not isinstance(node, dict):
        return []
    found: list[str] = []
    kind = node.get("type")
    if kind in ("plain_text", "mrkdwn"):
        text = node.get("text")
        if not isinstance(text, str):
            found.append("must provide a string: text")
        elif not text:
            found.append("must be more than 0 characters: text")
        elif len(text) > _TEXT_OBJECT:
            found.append(f"must be less than {_TEXT_OBJECT + 1} characters: text")
    if kind == "button":
        label = node.get("text")
        if not isinstance(label, dict) or label.get("type") != "plain_text":
            found.append("button text must be plain_text")
        elif len(str(label.get("text"))) > _BUTTON_TEXT:
            found.append(f"must be less than {_BUTTON_TEXT + 1} characters: button text")
        if len(str(node.get("value") or "")) > _BUTTON_VALUE:
            found.append(f"must be less than {_BUTTON_VALUE + 1} characters: value")
    return found + [problem for value in node.values() if isinstance(value, (dict, list)) for problem in _parts(value)]

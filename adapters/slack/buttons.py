"""Buttons under Slack's messages: a block below its text, and a press tells which it stood under.

Pure, but for reading a message back, whose buttons are to change and whose text is to stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from adapters import buttons
from adapters.slack import mrkdwn
from adapters.slack.blockkit import SECTION_LIMIT, Block, cut
from adapters.slack.edits import change
from adapters.slack.failures import SlackFault, ask
from adapters.slack.values import clean
from bot.messages import Address, Button


def actions_of(wanted: Sequence[Button]) -> list[Block]:
    """The block that stands below a message's text; none where there are no buttons."""
    return [{"type": "actions", "elements": [_button(each) for each in wanted]}] if wanted else []


def _section(text: str) -> Block:
    """Shown whole, not behind "See more". Slack need not look for links and names: all there are, are marked as such.

    https://docs.slack.dev/reference/block-kit/blocks/section-block
    """
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}, "expand": True}


def _button(wanted: Button) -> Block:
    label = {"type": "plain_text", "text": buttons.LABELS[wanted], "emoji": True}
    button: Block = {"type": "button", "action_id": buttons.id_of(wanted), "text": label}
    spoken = buttons.SPOKEN.get(wanted)
    return button if spoken is None else {**button, "accessibility_label": spoken}


def pressed_button(body: Mapping[str, Any]) -> tuple[Button, str, str] | None:
    """Of a press under an answer: which button, the channel and the message's `ts`; None where it is another press."""
    actions, container = body.get("actions"), body.get("container")
    if not isinstance(actions, list) or not isinstance(container, dict):
        return None
    ids = [clean(action.get("action_id")) for action in actions if isinstance(action, dict)]
    found = next((button for each in ids if (button := buttons.button_of(each)) is not None), None)
    channel, ts = clean(container.get("channel_id")), clean(container.get("message_ts"))
    return (found, channel, ts) if found is not None and channel and ts else None


async def set_buttons(web: AsyncWebClient, address: Address, ts: str, wanted: Sequence[Button]) -> None:
    """Give one of the bot's messages other buttons; its text is read back from it. Raises `SlackFault`."""
    row = await _read(web, address, ts)
    text, given = clean(row.get("text")), row.get("blocks")
    blocks = [block for block in (given if isinstance(given, list) else ()) if isinstance(block, dict)]
    # A block of a message that was changed is another block: Slack gives it a new id.
    kept = [{name: value for name, value in block.items() if name != "block_id"} for block in blocks]
    kept = [block for block in kept if block.get("type") != "actions"]
    if not kept:
        if mrkdwn.length(text) > SECTION_LIMIT:
            raise SlackFault("too_long_for_buttons", status=200, refused=True)
        kept = [_section(text)]
    body = {"text": cut(text, mrkdwn.TEXT_LIMIT), "blocks": [*kept, *actions_of(wanted)]}
    await change(web, address.channel, ts, body)


async def _read(web: AsyncWebClient, address: Address, ts: str) -> Mapping[str, Any]:
    """One message as it stands. Raises `SlackFault`, `message_not_found` where it is gone."""
    arguments: dict[str, Any] = {"channel": address.channel, "latest": ts, "oldest": ts, "inclusive": True}
    if address.thread is None:
        answer = await ask(web.conversations_history(limit=1, **arguments))
    else:  # a thread's first post comes whatever the bounds
        answer = await ask(web.conversations_replies(ts=address.thread, limit=2, **arguments))
    rows = answer.get("messages")
    found = (row for row in (rows if isinstance(rows, list) else ()) if isinstance(row, dict) and row.get("ts") == ts)
    row = next(found, None)
    if row is None:
        raise SlackFault("message_not_found", status=200, refused=True)
    return row

"""Buttons under Slack's messages: a message that has some is made of blocks, and a press tells which it stood under.

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
from adapters.slack.parsing import clean
from bot.messages import Address, Button, Reply
from bot.splitting import split


def with_buttons(body: dict[str, Any], reply: Reply) -> dict[str, Any]:
    """The body of a message that says `reply`, with its buttons; as it is where there are none.

    What was mrkdwn becomes sections, what was Slack's own Markdown a block of that: both look as they did. `text` is
    then for notifications.
    """
    if not reply.buttons:
        return body
    text = body.get("text") or cut(mrkdwn.escape(reply.text), mrkdwn.TEXT_LIMIT)
    return {"text": text, "blocks": [*_text_blocks(reply), _actions(reply.buttons)]}


def _text_blocks(reply: Reply) -> list[Block]:
    parts = [reply.text]
    if mrkdwn.measure(reply.text, reply.mentions) > SECTION_LIMIT and _is_mrkdwn(reply.text, reply.mentions):
        parts = split(reply.text, lambda part: mrkdwn.measure(part, reply.mentions) <= SECTION_LIMIT)
    return [_text_block(part, reply.mentions) for part in parts]


def _is_mrkdwn(markdown: str, mentions: Mapping[str, str]) -> bool:
    return mrkdwn.render(markdown, mentions).text is not None


def _text_block(markdown: str, mentions: Mapping[str, str]) -> Block:
    shown = mrkdwn.render(markdown, mentions)
    return {"type": "markdown", "text": shown.markdown_text} if shown.text is None else _section(shown.text)


def _section(text: str) -> Block:
    """Shown whole, not behind "See more". Slack need not look for links and names: all there are, are marked as such.

    https://docs.slack.dev/reference/block-kit/blocks/section-block
    """
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}, "expand": True}


def _actions(wanted: Sequence[Button]) -> Block:
    return {"type": "actions", "elements": [_button(each) for each in wanted]}


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
    body = {"text": cut(text, mrkdwn.TEXT_LIMIT), "blocks": [*kept, *([_actions(wanted)] if wanted else [])]}
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

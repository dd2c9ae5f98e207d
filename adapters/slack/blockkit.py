"""The pieces of Block Kit that the bot shows, cut to the lengths Slack takes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from adapters.slack.mrkdwn import as_mrkdwn, length
from bot.splitting import split

Block = dict[str, Any]

_NO_MENTIONS: Mapping[str, str] = MappingProxyType({})

SECTION_LIMIT = 3_000
"""Characters of a section's text: https://docs.slack.dev/reference/block-kit/blocks/section-block"""

MOST_BLOCKS = 100
"""Blocks of a modal or a Home tab: https://docs.slack.dev/reference/block-kit/blocks"""

SETTINGS = "parley_settings"
"""The `action_id` of every button that opens a channel's settings; the button's value is the channel."""


def plain(text: str, most: int) -> Block:
    """A plain text of at most `most` characters, with an ellipsis where it was cut."""
    return {"type": "plain_text", "text": cut(text, most)}


def cut(text: str, most: int) -> str:
    """The beginning of a text, at most `most` characters as Slack's clients count them (UTF-16 units)."""
    if length(text) <= most:
        return text
    return text.encode("utf-16-le", "replace")[: 2 * (most - 1)].decode("utf-16-le", "ignore") + "…"


def section(mrkdwn: str) -> Block:
    """A text that is mrkdwn already and fits."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": mrkdwn}}


def sections(markdown: str, heading: str = "", mentions: Mapping[str, str] = _NO_MENTIONS) -> list[Block]:
    """Markdown as sections one below the other; `heading` is mrkdwn for a line above the first."""
    room = SECTION_LIMIT - length(heading) - 1
    parts = split(markdown, lambda part: length(as_mrkdwn(part, mentions)) <= room)
    texts = [as_mrkdwn(part, mentions) for part in parts]
    texts = [text for text in texts if text.strip()]
    if heading:
        texts[:1] = ["\n".join([heading, *texts[:1]])]
    return [section(text) for text in texts]


def settings_button(label: str, channel: str) -> Block:
    """A button that opens the settings of a channel."""
    return {"type": "button", "action_id": SETTINGS, "text": plain(label, 75), "value": channel}

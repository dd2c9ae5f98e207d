"""Somebody's own page as Slack's Home tab: sections one below the other, each channel's with a button. Pure."""

from __future__ import annotations

from typing import Any

from adapters.slack.blockkit import MOST_BLOCKS, Block, sections, settings_button
from bot.interactions import HomePage, HomeSection

_CUT_OFF = "… There is more than this page can show; `/parley show` in a channel tells what holds there."


def home_view(page: HomePage) -> dict[str, Any]:
    """The view for `views.publish`."""
    blocks = [block for section in page.sections for block in _blocks(section)]
    if len(blocks) > MOST_BLOCKS:
        blocks = [*blocks[: MOST_BLOCKS - 1], *sections(_CUT_OFF)]
    return {"type": "home", "blocks": blocks}


def _blocks(section: HomeSection) -> list[Block]:
    channel = section.channel.channel if section.channel else ""
    heading = f"<#{channel}>" if channel else ""
    if channel.startswith("D"):  # a direct conversation has no name to show
        heading = "*Direct messages*"
    blocks = sections(section.text, heading)
    if blocks and channel and section.changes:
        blocks[0]["accessory"] = settings_button("Change", channel)
    return blocks

"""The two pages: each answer as the platform's messages, one below the other."""

import html
from collections.abc import Callable, Iterator
from pathlib import Path

from adapters.discord import markdown as discord
from adapters.slack import rendering as slack
from bot.splitting import split
from tests.rendering import discord_client, slack_client
from tests.rendering.code import styles

FOLDER = Path(__file__).parents[2] / "docs" / "rendering"
PEOPLE = {"Ada Lovelace": "U0ADA", "Kim": "U0KIM"}
SNOWFLAKES = {"Ada Lovelace": "101", "Kim": "102"}

_SLACK_STYLE = """
body { background: #fff; color: #1d1c1d; font: 15px/1.47 Lato, "Noto Sans", "Noto Sans CJK JP", sans-serif; }
h2.answer { color: #616061; border-top: 1px solid #ddd; }
.avatar { border-radius: 6px; background: #4a154b; }
.app { background: #e8e8e8; color: #616061; }
.body h1, .body h2, .body h3 { font-size: 18px; margin: 8px 0 4px; }
.body h1 { font-size: 22px; } .body h2 { font-size: 20px; }
.body p { margin: 0 0 8px; } .body ul, .body ol { margin: 0 0 8px; padding-left: 26px; } .body li p { margin: 0 0 4px; }
.body li ul, .body li ol { margin: 0; } .body ol ol { list-style: lower-alpha; } .body ul ul { list-style: circle; }
.body ul ul ul { list-style: square; } li.task { list-style: none; margin-left: -20px; }
.box { display: inline-block; width: 13px; height: 13px; border: 1px solid #888; border-radius: 3px; font-size: 11px;
  line-height: 13px; text-align: center; vertical-align: 1px; }
.body pre, .body code { font-family: "DejaVu Sans Mono", "Noto Sans Mono CJK JP", monospace; font-size: 12px;
  background: #f8f8f8; border: 1px solid #ddd; border-radius: 4px; }
.body pre { padding: 8px; margin: 4px 0 8px; white-space: pre-wrap; } .body code { color: #e01e5a; padding: 1px 3px; }
.body blockquote, .quoted { border-left: 4px solid #ddd; padding-left: 12px; margin: 4px 0; }
.quoted { display: block; margin: 0; } .section { white-space: pre-wrap; }
.body table { border-collapse: collapse; margin: 4px 0 10px; }
.body th, .body td { border: 1px solid #ddd; padding: 4px 10px; text-align: left; }
.body th { background: #f8f8f8; } .body hr { border: 0; border-top: 1px solid #ddd; } a { color: #1264a3; }
.mention { background: #1d9bd11a; color: #1264a3; border-radius: 3px; padding: 0 2px; }
details { color: #616061; font-size: 13px; } .lost { background: #e01e5a; color: #fff; }
"""
_DISCORD_STYLE = """
body { background: #313338; color: #dbdee1; font: 16px/1.375 "gg sans", "Noto Sans", "Noto Sans CJK JP", sans-serif; }
h2.answer { color: #949ba4; border-top: 1px solid #3f4147; }
.avatar { border-radius: 50%; background: #5865f2; }
.app { background: #5865f2; color: #fff; }
.body h1 { font-size: 24px; margin: 12px 0 8px; } .body h2 { font-size: 20px; margin: 12px 0 8px; }
.body h3 { font-size: 16px; margin: 12px 0 8px; } .item { padding-left: 22px; position: relative; }
.item > i:first-child { position: absolute; left: 2px; font-style: normal; color: #b5bac1; }
.body pre, .body code { font-family: "DejaVu Sans Mono", "Noto Sans Mono CJK JP", monospace; font-size: 13.5px;
  background: #2b2d31; border-radius: 4px; }
.body pre { padding: 8px; margin: 6px 0; border: 1px solid #1e1f22; white-space: pre-wrap; }
.body code { padding: 1px 4px; } .body blockquote { border-left: 4px solid #4e5058; margin: 0; padding-left: 10px; }
a { color: #00a8fc; } .mention { background: #5865f24d; color: #c9cdfb; border-radius: 3px; padding: 0 2px; }
small { color: #949ba4; } .alarm { background: #da373c; color: #fff; }
"""
_COMMON_STYLE = """
body { margin: 0 auto; max-width: 860px; padding: 8px 16px; }
h2.answer { font-size: 13px; font-weight: 400; padding-top: 8px; margin: 18px 0 6px; }
.message { display: flex; gap: 10px; margin: 6px 0; } .body { min-width: 0; flex: 1; }
.avatar { width: 36px; height: 36px; flex: none; color: #fff; text-align: center; line-height: 36px; font-weight: 700; }
.app { font-size: 10px; border-radius: 3px; padding: 1px 4px; margin: 0 6px; vertical-align: 1px; }
.time { color: #8a8a8a; font-size: 12px; }
"""

_MESSAGE = """<div class="message"><div class="avatar">P</div><div class="body"><b>Parley</b>
<span class="app">APP</span><span class="time">09:41</span>
BODY</div></div>"""


def answers() -> list[tuple[str, str]]:
    """The answers as a model wrote them: name and Markdown."""
    return [(path.stem, path.read_text("utf-8").strip()) for path in sorted((FOLDER / "answers").glob("*.md"))]


def slack_page() -> str:
    """The answers in Slack; below each, folded, what is shown where Slack refuses the `markdown` block."""
    names = {user: name for name, user in PEOPLE.items()}

    def messages(markdown: str) -> Iterator[str]:
        for part in split(markdown, lambda text: slack.fits(text, PEOPLE)):
            plain = slack_client.show(slack.plain_blocks_of(part, PEOPLE), names)
            folded = f"<details><summary>as mrkdwn</summary>{plain}</details>"
            yield slack_client.show(slack.blocks_of(part, PEOPLE), names) + folded

    style = _COMMON_STYLE + _SLACK_STYLE + styles(".body pre", dark=False)
    return _page("Slack", style, messages)


def discord_page() -> str:
    """The answers in Discord."""
    names = {user: name for name, user in SNOWFLAKES.items()}

    def messages(markdown: str) -> Iterator[str]:
        for part in split(markdown, lambda text: discord.fits(text, SNOWFLAKES)):
            yield discord_client.show(discord.render(part, SNOWFLAKES), names)

    return _page("Discord", _COMMON_STYLE + _DISCORD_STYLE + styles(".body pre", dark=True), messages)


def _page(platform: str, style: str, messages: Callable[[str], Iterator[str]]) -> str:
    shown = []
    for name, markdown in answers():
        shown.append(f'<h2 class="answer">{html.escape(name)}</h2>')
        shown += [_MESSAGE.replace("BODY", body) for body in messages(markdown)]
    head = f'<meta charset="utf-8"><title>A dozen answers in {platform}</title>\n<style>{style}</style>'
    return "\n".join([f'<!DOCTYPE html>\n<html lang="en">\n<head>{head}</head>\n<body>', *shown, "</body>\n</html>\n"])


PAGES = {"slack.html": slack_page, "discord.html": discord_page}

"""What would ping somebody on Slack, and the places of a text from which it might."""

import html
import re

SLACK_PINGS = [
    "<!channel>",
    "<!here|here>",
    "<!everyone>",
    "<!subteam^S12345>",
    "<!date^1392734382^{date}|x>",
    "<@U12345>",
    "@channel",
    "@here",
    "@everyone",
    "@Channel",
    "<@W1|ada>",
    "&lt;!channel&gt;",
    "&#60;!here>",
    "\\<!channel>",
    "<\\!here>",
    "&#x40;channel",
    "\\@here",
    "&commat;everyone",
    "<&#33;here>",
    "@&#104;ere",
    "&LT;!channel>",
    "@**channel**",
    "<**@U123**>",
]
PLACES = [
    "{}",
    "a {} b",
    "**{}**",
    "`{}`",
    "```\n{}\n```",
    "[{}](https://e.com)",
    "[x](https://e.com/{})",
    "[x]({})",
    "# {}",
    "> {}",
    "- {}",
    "| {} |\n|---|\n| {} |",
    "<b>{}</b>",
    "<div>\n{}\n</div>",
    "x{}y",
    "![{}](https://e.com)",
    "$x = {}$",
    "- [ ] {}",
    '[x]: https://e.com "{}"',
    "https://e.com/{}",
    "| a |\n|---|\n| `{}` |",
    "    {}",
]

_CROWD = re.compile(r"<!(?:channel|here|everyone|group|subteam|date)|@(?:channel|here|everyone)", re.IGNORECASE)
_USER = re.compile(r"<@([UW][A-Z0-9]*)(?:\|[^<>\n]*)?>")


def assert_quiet_on_slack(mrkdwn: str, allowed: frozenset[str] = frozenset({"UADA"})) -> None:
    """Nothing in it pings but people that are `allowed`."""
    assert not _CROWD.search(mrkdwn), mrkdwn
    assert set(_USER.findall(mrkdwn)) <= allowed, mrkdwn


def assert_quiet_as_markdown(markdown: str) -> None:
    """Nothing in it pings, whether or not Slack reads its entities and takes its escapes off before it looks."""
    for form in (markdown, html.unescape(markdown), re.sub(r"\\(?=[!@<])", "", markdown)):
        assert_quiet_on_slack(form)

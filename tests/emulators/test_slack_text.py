"""Slack's text: what a typed line becomes, what a reader sees, who is pinged, which links are previewed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.slack import SlackWorkspace
from emulators.slack.text import escape, links, pings, seen, typed, unescape
from tests.emulators.test_slack_contract import client_of


@pytest.mark.parametrize(
    ("line", "wire"),
    [
        ("a < b && c > d", "a &lt; b &amp;&amp; c &gt; d"),
        ("&amp; is an entity", "&amp;amp; is an entity"),
        ("ask <@U0AB> & <#C0AB|general>", "ask <@U0AB> &amp; <#C0AB|general>"),
        ("see https://x.org/a?b=1&c=2.", "see <https://x.org/a?b=1&amp;c=2>."),
        ("(https://x.org)", "(<https://x.org>)"),
        ("<https://x.org|here> it is", "<https://x.org|here> it is"),
        ("<!here> and <script>", "<!here> and &lt;script&gt;"),
    ],
)
def test_a_typed_line_on_the_wire(line: str, wire: str) -> None:
    assert typed(line) == wire


@given(st.text())
def test_escaping_is_undone_by_unescaping(text: str) -> None:
    assert unescape(escape(text)) == text


@given(st.text(alphabet=st.characters(exclude_characters="<:")))
def test_what_is_typed_without_markup_or_links_is_only_escaped(text: str) -> None:
    assert unescape(typed(text)) == text


RICH = {
    "type": "rich_text",
    "elements": [
        {"type": "rich_text_section", "elements": [{"type": "text", "text": "Hi "}, {"type": "user", "user_id": "U1"}]},
        {
            "type": "rich_text_list",
            "style": "bullet",
            "elements": [{"type": "rich_text_section", "elements": [{"type": "broadcast", "range": "here"}]}],
        },
    ],
}
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "a &lt;b&gt; <!channel>"}}
HEADER = {"type": "header", "text": {"type": "plain_text", "text": "<!everyone>"}}
MARKDOWN = {"type": "markdown", "text": "**bold** <!subteam^S1|@team>"}
BUTTON = {
    "type": "actions",
    "elements": [{"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "Press <!here>"}}],
}


@pytest.mark.parametrize(
    ("text", "blocks", "attachments", "visible", "pinged"),
    [
        ("5 &gt; 4 <@U1>", [], [], "5 > 4 <@U1>", [("user", "U1")]),
        ("&lt;!channel&gt; @here", [], [], "<!channel> @here", []),
        ("fallback", [SECTION], [], "a <b> <!channel>", [("channel", "channel")]),
        ("fallback <!here>", [HEADER], [], "<!everyone>", [("here", "here")]),
        ("", [MARKDOWN, BUTTON], [], "**bold** <!subteam^S1|@team>", [("subteam", "S1")]),
        ("", [RICH], [], "Hi <@U1>\n• @here", [("user", "U1"), ("here", "here")]),
        ("", [], [{"text": "<!channel>", "color": "red"}], "<!channel>", [("channel", "channel")]),
        ("", [], [{"blocks": [SECTION]}], "a <b> <!channel>", [("channel", "channel")]),
    ],
)
def test_what_is_seen_and_who_is_pinged(
    text: str, blocks: list[Any], attachments: list[Any], visible: str, pinged: list[Any]
) -> None:
    assert seen(text, blocks, attachments) == visible
    assert pings(text, blocks, attachments) == pinged


def test_names_are_pinged_only_when_linked() -> None:
    assert pings("@channel me@here.org", [], []) == []
    assert pings("@channel me@here.org", [], [], link_names=True) == [("channel", "channel")]


def test_links_are_found_once_each_in_all_markup() -> None:
    block = {"type": "section", "text": {"type": "mrkdwn", "text": "<https://a.org|A> https://b.org/c."}}
    assert links("https://a.org", [block], []) == ["https://a.org", "https://b.org/c"]


async def test_pings_and_previews_of_posts_and_updates_are_kept() -> None:
    async with SlackWorkspace(limits="none") as slack:
        client, general = client_of(slack), slack.add_channel("general")
        quiet: dict[str, Any] = {"channel": general.id, "unfurl_links": False, "unfurl_media": False}
        ts = (await client.chat_postMessage(**quiet, text="https://a.org &lt;!channel&gt;"))["ts"]
        assert (slack.pings, slack.unfurls) == ([], [])
        await client.chat_update(channel=general.id, ts=ts, text="<!channel> https://b.org")
        await client.chat_update(channel=general.id, ts=ts, text="<!channel> again")
        assert [(ping.kind, ping.ts, ping.crowd) for ping in slack.pings] == [("channel", ts, True)]
        assert slack.unfurls == []
        await client.chat_postMessage(
            channel=general.id, unfurl_links=False, text="https://c.org/cat.png @here", parse="full"
        )
        assert [unfurl.url for unfurl in slack.unfurls] == ["https://c.org/cat.png"]
        assert [ping.kind for ping in slack.pings] == ["channel", "here"]


async def test_markdown_text_is_a_markdown_block_and_pings_as_one() -> None:
    async with SlackWorkspace() as slack:
        general, alice = slack.add_channel("general"), slack.add_user("alice")
        await client_of(slack).chat_postMessage(channel=general.id, markdown_text=f"**hi** <@{alice.id}>")
        (message,) = slack.bot_messages(general)
        assert message.blocks[0]["type"] == "markdown"
        assert slack.visible_text(message) == f"**hi** <@{alice.id}>"
        assert [(ping.kind, ping.target) for ping in slack.pings] == [("user", alice.id)]
        assert slack.crowd_pings == []

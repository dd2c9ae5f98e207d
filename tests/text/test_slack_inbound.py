"""What people write in Slack, as the model reads it: names for ids, Markdown for mrkdwn, whatever shape it came in."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slack.inbound import mentioned_ids, text_of_blocks, to_markdown, unescape
from adapters.slack.mrkdwn import as_mrkdwn
from tests.text.examples import PARAGRAPH

NAMES = {"U1": "Ada", "W2": "Bob"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a &amp; b &lt;c&gt; &amp;lt;", "a & b <c> &lt;"),
        ("<@U1> and <@W2|bob>", "@Ada and @Bob"),
        ("<@U9> who?", "@someone who?"),
        ("<#C1|general> <#C2>", "#general #channel"),
        ("<!here> <!channel|channel> <!everyone>", "@here @channel @everyone"),
        ("<!subteam^S1|@team> <!subteam^S1>", "@team @team"),
        ("<!date^1392734382^{date}|Feb 18>", "Feb 18"),
        ("<https://e.com/a_b_c>", "https://e.com/a_b_c"),
        ("<https://e.com/?a=1&amp;b=2|the label>", "[the label](https://e.com/?a=1&b=2)"),
        ("<http://e.com|e.com>", "http://e.com"),
        ("<mailto:a@b.org|a@b.org>", "a@b.org"),
        ("<mailto:a@b.org|write me>", "[write me](mailto:a@b.org)"),
        ("<tel:+491234|+491234>", "+491234"),
        ("*bold* _it_ ~gone~", "**bold** _it_ ~~gone~~"),
        ("*<https://e.com|x>*", "**[x](https://e.com)**"),
        ("2*3*4 and a * b * c", "2*3*4 and a * b * c"),
        ("`*code* &lt;` *b*", "`*code* <` **b**"),
        ("```*x* &lt;y&gt; <https://e.com>```", "```\n*x* <y> https://e.com\n```"),
        ("see\n```\na\n  b\n```\nend", "see\n```\na\n  b\n```\nend"),
        ("run ```a``` now", "run \n```\na\n```\n now"),
        ("• one\n    ◦ two", "- one\n    - two"),
        ("&gt; quote", "> quote"),
        (":smile: ok", ":smile: ok"),
        ("<", "<"),
        ("<@>", "@someone"),
        ("<!>", ""),
        ("", ""),
    ],
)
def test_slack_text_becomes_markdown(text: str, expected: str) -> None:
    assert to_markdown(text, NAMES) == expected


def test_mentioned_people_are_found_once_and_in_order() -> None:
    assert mentioned_ids("<@U2> hi <@U1|ada> <@U2> <!here> <#C1> &lt;@U3&gt;") == ("U2", "U1")


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("<>@!#|&;*_~`^U1ab \n\ue000\ue001-"), max_size=80))
def test_no_text_makes_it_raise_and_no_known_id_stays(text: str) -> None:
    read = to_markdown(text, {"U1": "Ada", "U": "Bob"})
    assert isinstance(mentioned_ids(text), tuple)
    assert "<@U1>" not in read or "&lt;" in text


@settings(max_examples=120, deadline=None)
@given(
    st.text(
        st.characters(codec="utf-8", categories=["L", "N", "Z", "P"], exclude_characters="*_~`<>&•◦▪@#\u2060\u200b")
    )
)
def test_plain_words_come_back_as_they_went(text: str) -> None:
    assert to_markdown(text) == text


@settings(max_examples=100, deadline=None)
@given(PARAGRAPH)
def test_what_was_sent_is_read_without_ids_or_escapes(text: str) -> None:
    sent = as_mrkdwn(text + " @Ada", {"Ada": "U1"})
    read = to_markdown(sent, NAMES)
    assert "@Ada" in read
    assert "<@" not in read


def rich(*elements: object) -> list[object]:
    return [{"type": "rich_text", "elements": list(elements)}]


def section(*items: object) -> dict[str, object]:
    return {"type": "rich_text_section", "elements": list(items)}


def words(text: str, **style: bool) -> dict[str, object]:
    return {"type": "text", "text": text, **({"style": style} if style else {})}


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        (
            rich(section(words("a < b & "), words("bold", bold=True), words(" it ", italic=True))),
            "a &lt; b &amp; *bold* _it_ ",
        ),
        (rich(section(words("x", code=True), words("y", bold=True, strike=True, italic=True))), "`x`*_~y~_*"),
        (
            rich(section({"type": "user", "user_id": "U1"}, words(" see "), {"type": "channel", "channel_id": "C1"})),
            "<@U1> see <#C1>",
        ),
        (
            rich(
                section(
                    {"type": "link", "url": "https://e.com/?a&b", "text": "l"}, {"type": "link", "url": "https://e.com"}
                )
            ),
            "<https://e.com/?a&amp;b|l><https://e.com>",
        ),
        (rich(section({"type": "emoji", "name": "smile"}, {"type": "broadcast", "range": "here"})), ":smile:<!here>"),
        (
            rich(section({"type": "usergroup", "usergroup_id": "S1"}, {"type": "date", "fallback": "now"})),
            "<!subteam^S1>now",
        ),
        (rich({"type": "rich_text_preformatted", "elements": [words("a\n*b*", bold=True)]}), "```\na\n*b*\n```"),
        (rich({"type": "rich_text_quote", "elements": [words("a\nb")]}), "&gt; a\n&gt; b"),
        (rich(section({"type": "color", "value": "#fff"}, {"type": "unknown"}, 7)), "#fff"),
        (
            rich({"type": "rich_text_list", "style": "bullet", "indent": 1, "elements": [section(words("x"))]}),
            "    • x",
        ),
        (
            rich(
                {
                    "type": "rich_text_list",
                    "style": "ordered",
                    "offset": 2,
                    "elements": [section(words("x")), section(words("y"))],
                }
            ),
            "3. x\n4. y",
        ),
        (
            [
                {
                    "type": "section",
                    "text": {"type": "mrkdwn", "text": "*a* <@U1>"},
                    "fields": [{"type": "plain_text", "text": "<b>"}],
                }
            ],
            "*a* <@U1>\n&lt;b&gt;",
        ),
        ([{"type": "header", "text": {"type": "plain_text", "text": "Title"}}], "*Title*"),
        ([{"type": "context", "elements": [{"type": "mrkdwn", "text": "a"}, {"type": "image", "alt_text": "i"}]}], "a"),
        ([{"type": "markdown", "text": "**a** & b"}], "**a** &amp; b"),
        ([{"type": "image", "alt_text": "a cat"}], "a cat"),
        (
            [
                {
                    "type": "table",
                    "rows": [
                        [{"type": "raw_text", "text": "a"}, {"type": "rich_text", "elements": [section(words("b"))]}]
                    ],
                }
            ],
            "a | b",
        ),
        ([{"type": "divider"}, {"type": "actions", "elements": []}, {"type": "unheard_of"}], ""),
    ],
)
def test_the_text_of_blocks_is_found(blocks: list[object], expected: str) -> None:
    assert text_of_blocks(blocks) == expected


def test_the_text_of_attachments_is_found() -> None:
    attachments: list[Any] = [
        {
            "pretext": "p",
            "title": "t",
            "title_link": "https://e.com",
            "text": "x",
            "fields": [{"title": "k", "value": "v"}],
        },
        {"fallback": "only this"},
        {"fallback": "not this", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "inside"}}]},
    ]
    assert text_of_blocks(None, attachments) == "p\n<https://e.com|t>\nx\nk: v\nonly this\ninside"


_KEYS = st.sampled_from(
    [
        "type",
        "text",
        "elements",
        "style",
        "user_id",
        "url",
        "rows",
        "fields",
        "blocks",
        "indent",
        "offset",
        "name",
        "range",
        "title",
        "title_link",
        "fallback",
        "bold",
    ]
)
_TYPES = st.sampled_from(
    [
        "rich_text",
        "rich_text_section",
        "rich_text_list",
        "rich_text_quote",
        "rich_text_preformatted",
        "section",
        "header",
        "context",
        "markdown",
        "image",
        "table",
        "text",
        "link",
        "user",
        "channel",
        "emoji",
        "date",
        "mrkdwn",
        "plain_text",
        "ordered",
    ]
)
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), _TYPES),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_KEYS, inner, max_size=6)),
    max_leaves=30,
)


@settings(max_examples=120, deadline=None)
@given(_JSON, _JSON)
def test_no_json_makes_it_raise(blocks: object, attachments: object) -> None:
    read = text_of_blocks(blocks, attachments)
    assert isinstance(to_markdown(read, NAMES), str)


@pytest.mark.parametrize("key", ["elements", "blocks", "rows", "text", "attachments"])
def test_deep_nesting_is_cut_off_not_followed(key: str) -> None:
    nested: Any = {"type": "rich_text_list", "elements": []}
    for _ in range(5_000):
        nested = {"type": "rich_text_list" if key == "elements" else "rich_text", key: [nested]}
    assert (
        text_of_blocks([{"type": "rich_text", "elements": [nested]}], [{"blocks": [nested]}, nested]).strip("• \n")
        == ""
    )


def test_unescaping_undoes_slacks_three_escapes_once() -> None:
    assert unescape("&amp;lt; &lt; &gt;") == "&lt; < >"

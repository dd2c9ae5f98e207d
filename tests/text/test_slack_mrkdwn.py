"""Markdown as models write it, in mrkdwn: the cases people meet, and what must hold for any text."""

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.slack.mrkdwn import as_mrkdwn, escape, length
from tests.text.cost import MOST, against_plain_parsing
from tests.text.examples import MARKDOWN, OWN
from tests.text.pings import PLACES, SLACK_PINGS, assert_quiet_on_slack

ZWS = "\u200b"
WJ = "\u2060"


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("plain", "plain"),
        ("**bold** and __bold__", "*bold* and *bold*"),
        ("*it* and _it_", "_it_ and _it_"),
        ("***both***", "_*both*_"),
        ("**bold with *it* inside**", "*bold with _it_ inside*"),
        ("~~gone~~ *a *b* c* **a **b** c**", "~gone~ _a b c_ *a b c*"),
        ("**a<br>** b", "*a*\n b"),
        ("![a *b*\nc](https://e.com)", "<https://e.com|a b c>"),
        ("un**frigging**believable", f"un{ZWS}*frigging*{ZWS}believable"),
        ("中文**粗体**文本", f"中文{ZWS}*粗体*{ZWS}文本"),
        ("**a***b*", f"*a*{ZWS}_b_"),
        ("(**a**), **b**: *c*.", "(*a*), *b*: _c_."),
        ("**two\nlines**", "*two*\n*lines*"),
        ("`a < b && c`", "`a &lt; b &amp;&amp; c`"),
        ("`*not bold*`", "`*not bold*`"),
        ("```python\nprint('<&>')\n```", "```\nprint('&lt;&amp;&gt;')\n```"),
        ("~~~\n**x**\n~~~", "```\n**x**\n```"),
        ("    indented", "```\nindented\n```"),
        ("# Title", "*Title*"),
        ("## Title with **bold** and `code`", "*Title with bold and `code`*"),
        ("# Title\n\ntext", "*Title*\ntext"),
        ("Title\n=====\ntext", "*Title*\ntext"),
        ("###### deep", "*deep*"),
        ("#", "#"),
        ("> a\n> b", "> a\n> b"),
        ("> a\n>\n> b\n\nc", "> a\n>\n> b\n\nc"),
        ("> a\n> > b", "> a\n> &gt; b"),
        ("- a\n- b", "• a\n• b"),
        ("* a\n  * b\n* c", "• a\n    ◦ b\n• c"),
        ("- a\n\n  b\n\n- c", "• a\n\n    b\n\n• c"),
        ("7. a\n8. b", "7. a\n8. b"),
        ("0. a\n1. b", "0. a\n1. b"),
        ("3) a\n3) b", "3) a\n4) b"),
        ("1. a\n   - b\n   - c\n2. d", "1. a\n    ◦ b\n    ◦ c\n2. d"),
        ("-\n- a", "•\n• a"),
        ("- - a", "• ◦ a"),
        ("- > q", "> • q"),
        ("1. ```\n   x\n   ```", "1.\n```\nx\n```"),
        ("[label](https://e.com)", "<https://e.com|label>"),
        ("[a & <b>](https://e.com/?a=1&b=2)", "<https://e.com/?a=1&amp;b=2|a &amp; &lt;b&gt;>"),
        ("[**bold** label](https://e.com)", "<https://e.com|bold label>"),
        ("[ask <ada@e.com> now](https://e.com) or not", "<https://e.com|ask ada@e.com now> or not"),
        ("**[label](https://e.com)**", "*<https://e.com|label>*"),
        ("[p|q](https://e.com/a|b)", "<https://e.com/a%7Cb|p|q>"),
        ("[](https://e.com)", "<https://e.com>"),
        ("[https://e.com](https://e.com)", "<https://e.com>"),
        ("[here](/relative)", "here (/relative)"),
        ("[top](#anchor)", "top"),
        ("[x](javascript:alert)", "[x](javascript:alert)"),
        ("[evil](!channel)", "evil (!channel)"),
        ("[evil](@U123)", "evil (@U123)"),
        ("<https://e.com/a_b>", "<https://e.com/a_b>"),
        ("<a@b.org>", "<mailto:a@b.org|a@b.org>"),
        ("see https://e.com/a_b_c, ok", "see <https://e.com/a_b_c>, ok"),
        ("(https://e.com/a_(b))", "(<https://e.com/a_(b)>)"),
        ("**https://e.com**", "*<https://e.com>*"),
        ("![alt](https://e.com/i.png)", "<https://e.com/i.png|alt>"),
        ("[![b](https://e.com/b.svg)](https://e.com)", "<https://e.com|b>"),
        ("a\n\n---\n\nb", "a\n\n────────────\n\nb"),
        ("<b>x</b> & <i>", "*x* &amp; &lt;i&gt;"),
        ("<div>\n*x*\n</div>", "&lt;div&gt;\n*x*\n&lt;/div&gt;"),
        ("a<br>b", "a\nb"),
        ("a  \nb\\\nc", "a\nb\nc"),
        ("&amp; &copy; &lt;", "&amp; © &lt;"),
        (":white_check_mark: done", ":white_check_mark: done"),
        ("snake_case_name 2 * 3 * 4", "snake_case_name 2 * 3 * 4"),
        (r"\> no quote", f"{WJ}&gt; no quote"),
        ("a > b", "a &gt; b"),
        (r"\*lit\*", f"*{ZWS}lit*"),
        ("$x_1 * y_2$ and $5 or $6", "`x_1 * y_2` and $5 or $6"),
        (r"\(a_1\)", "`a_1`"),
        ("$$\nE = mc^2\n$$", "```\nE = mc^2\n```"),
        ("[ref]: https://e.com", "[ref]: https://e.com"),
        ("* a **b", "• a **b"),
        ("**Note:**text and これは**「太字」**です", f"*Note:*{ZWS}text and これは{ZWS}*「太字」*{ZWS}です"),
        ("| a | b |\n|---|--:|\n| 1 | 日本 |", "```\na │    b\n──┼─────\n1 │ 日本\n```"),
        ("| a | b |\n|---|---|\n| 1 | [x](https://e.com) |", "• a: 1\n    ◦ b: <https://e.com|x>"),
        ("- [x] done\n- [ ] open", "• ☑ done\n• ☐ open"),
        ("- a\n  - b\n    - c", "• a\n    ◦ b\n        ▪ c"),
        ("use `` a`b `` here", "use `a'b` here"),
        ("````\n```\nx\n```\n````", f"```\n``{ZWS}`\nx\n``{ZWS}`\n```"),
        ("", ""),
    ],
)
def test_markdown_becomes_mrkdwn(markdown: str, expected: str) -> None:
    assert as_mrkdwn(markdown) == expected


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("@Ada Lovelace, look", "<@U1>, look"),
        ("**@Ada Lovelace**", "*<@U1>*"),
        ("ask @Ada or @Ada Lovelace", "ask <@U2> or <@U1>"),
        ("@Adam and x@Ada", "@Adam and x@Ada"),
        ("`@Ada`", "`@Ada`"),
        ("@R&D team", "<@U3> team"),
        ("<@U1> <@U9>", "&lt;@U1&gt; &lt;@U9&gt;"),
        ("@channel", f"@{WJ}channel"),
        ("@everyone's guide", f"@{WJ}everyone's guide"),
    ],
)
def test_only_named_people_are_mentioned(markdown: str, expected: str) -> None:
    people = {"Ada Lovelace": "U1", "Ada": "U2", "R&D": "U3"}
    assert as_mrkdwn(markdown, people) == expected


@pytest.mark.parametrize("ping", SLACK_PINGS)
@pytest.mark.parametrize("place", PLACES)
def test_no_crowd_and_no_stranger_is_pinged_from_anywhere(place: str, ping: str) -> None:
    assert_quiet_on_slack(as_mrkdwn(place.replace("{}", ping), {"Ada": "UADA"}))


@settings(max_examples=150, deadline=None)
@given(
    MARKDOWN,
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["<!channel>", "@here", "<@U99>", "<!subteam^S1|@x>"]))),
)
@example("``", [(1, "<!channel>")])
def test_pings_injected_into_any_text_never_survive(text: str, pings: list[tuple[int, str]]) -> None:
    for place, ping in pings:
        text = text[:place] + ping + text[place:]
    assert_quiet_on_slack(as_mrkdwn(text, {"Ada": "UADA"}))


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("<>!@&;#^|`*_[]()\\ \n-ahcnelr123xU"), max_size=60))
def test_no_scramble_of_control_characters_pings(text: str) -> None:
    assert_quiet_on_slack(as_mrkdwn(text))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_every_angle_bracket_of_mrkdwn_is_a_link_a_mention_or_a_quote(text: str) -> None:
    links_out = re.sub(r"<(?:https?|mailto|tel|ftp|slack):[^<>\n]*>", "", as_mrkdwn(text), flags=re.IGNORECASE)
    assert not re.search(r"<|(?<!^)(?<!\n)>", links_out)
    assert not re.search(r"&(?!amp;|lt;|gt;)", links_out)


def test_escapes_and_wide_characters_count_as_what_is_sent() -> None:
    assert length(as_mrkdwn("&" * 10)) == 50
    assert length(as_mrkdwn("👍" * 10)) == 20


def test_plain_text_is_escaped() -> None:
    assert escape("a < b & <!channel> @here") == f"a &lt; b &amp; &lt;!channel&gt; @{WJ}here"
    assert escape("> x") == f"{WJ}&gt; x"


def test_rendering_costs_little_more_than_parsing() -> None:
    text = "\n\n".join(entry.markdown for entry in OWN)[:3_500]
    assert against_plain_parsing(as_mrkdwn, text) < MOST


@pytest.mark.parametrize(
    "hostile", ["[", "`", "*", "> ", "(", "![", "- ", "\\(", "$", "<a", "~", "_*", "&", "[](", "**a ", "@"]
)
def test_hostile_repetition_is_rendered_in_reasonable_time(hostile: str) -> None:
    start = time.process_time()
    as_mrkdwn(hostile * (4_000 // len(hostile)), {"Ada": "U1"})
    assert time.process_time() - start < 3

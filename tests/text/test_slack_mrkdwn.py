"""Markdown as models write it, in Slack's notations: the cases people meet, and what must hold for any text."""

import html
import re
import time
from collections.abc import Mapping

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.slack import mrkdwn
from adapters.slack.mrkdwn import SlackText, escape, fits, measure, render
from tests.text.examples import EXAMPLES, MARKDOWN, OWN

ZWS = "\u200b"
WJ = "\u2060"

_CROWD = re.compile(r"<!(?:channel|here|everyone|group|subteam|date)|@(?:channel|here|everyone)", re.IGNORECASE)
_USER = re.compile(r"<@([^<>|\s]*)")


def text_of(markdown: str, mentions: Mapping[str, str] | None = None) -> str:
    rendered = render(markdown, mentions or {})
    assert rendered.text is not None
    return rendered.text


def native_of(markdown: str, mentions: Mapping[str, str] | None = None) -> str:
    rendered = render(markdown, mentions or {})
    assert rendered.markdown_text is not None
    return rendered.markdown_text


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
        ("<b>x</b> & <i>", "&lt;b&gt;x&lt;/b&gt; &amp; &lt;i&gt;"),
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
    ],
)
def test_markdown_becomes_mrkdwn(markdown: str, expected: str) -> None:
    assert text_of(markdown) == expected


@pytest.mark.parametrize(
    "markdown",
    [
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "- [x] done\n- [ ] open",
        "- a\n  - b\n    - c",
        "use `` a`b `` here",
        "````\n```\nx\n```\n````",
    ],
)
def test_what_mrkdwn_cannot_say_goes_out_as_markdown(markdown: str) -> None:
    assert render(markdown) == SlackText(markdown_text=markdown)


def test_a_text_too_long_for_mrkdwn_is_still_one_markdown_message() -> None:
    assert render("word " * 1_000) == SlackText(markdown_text="word " * 1_000)
    assert not fits("word " * 1_000)


def test_exactly_one_of_the_two_is_set_for_the_empty_text() -> None:
    assert render("") == SlackText(text="")


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
    assert text_of(markdown, people) == expected


def test_people_are_mentioned_in_native_markdown_outside_code_only() -> None:
    markdown = "| who |\n|---|\n| @Ada |\n\n`@Ada`\n\n```\n@Ada\n```\n@Ada\n\n- ~~~\n  @Ada\n  ~~~"
    native = native_of(markdown, {"Ada": "U1"})
    assert native == markdown.replace("| @Ada", "| <@U1>").replace("```\n@Ada\n\n-", "```\n<@U1>\n\n-")


@pytest.mark.parametrize(
    "ping",
    [
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
    ],
)
@pytest.mark.parametrize(
    "place",
    [
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
    ],
)
def test_no_crowd_and_no_stranger_is_pinged_from_anywhere(place: str, ping: str) -> None:
    assert_quiet(render(place.replace("{}", ping), {"Ada": "UADA"}))


def assert_quiet(rendered: SlackText, allowed: frozenset[str] = frozenset({"UADA"})) -> None:
    shown = rendered.text if rendered.text is not None else rendered.markdown_text or ""
    forms = [shown]
    if rendered.markdown_text is not None:
        forms += [html.unescape(shown), re.sub(r"\\(?=[!@<])", "", shown)]
    for form in forms:
        assert not _CROWD.search(form)
        assert {user.removesuffix(">") for user in _USER.findall(form)} <= allowed | {""} | _harmless(form)


def _harmless(form: str) -> set[str]:
    """What follows `<@` without being an id."""
    return {user for user in _USER.findall(form) if not user[:1].isalnum() or not user[:1].isascii()}


@settings(max_examples=150, deadline=None)
@given(
    MARKDOWN,
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["<!channel>", "@here", "<@U99>", "<!subteam^S1|@x>"]))),
)
@example("``", [(1, "<!channel>")])
def test_pings_injected_into_any_text_never_survive(text: str, pings: list[tuple[int, str]]) -> None:
    for place, ping in pings:
        text = text[:place] + ping + text[place:]
    assert_quiet(render(text, {"Ada": "UADA"}))


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("<>!@&;#^|`*_[]()\\ \n-ahcnelr123xU"), max_size=60))
def test_no_scramble_of_control_characters_pings(text: str) -> None:
    assert_quiet(render(text, {}))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_every_angle_bracket_of_mrkdwn_is_a_link_a_mention_or_a_quote(text: str) -> None:
    rendered = render(text).text
    if rendered is not None:
        links_out = re.sub(r"<(?:https?|mailto|tel|ftp|slack):[^<>\n]*>", "", rendered, flags=re.IGNORECASE)
        assert not re.search(r"<|(?<!^)(?<!\n)>", links_out)
        assert not re.search(r"&(?!amp;|lt;|gt;)", links_out)


@settings(max_examples=150, deadline=None)
@given(MARKDOWN)
def test_the_quick_bound_is_never_below_the_real_length(text: str) -> None:
    assert measure(text) <= mrkdwn.most(text)
    assert measure(text, {"x": "U12345"}) <= mrkdwn.most(text, {"x": "U12345"})


def test_the_quick_bound_holds_for_every_example_and_tells_much() -> None:
    assert all(measure(entry.markdown) <= mrkdwn.most(entry.markdown) for entry in EXAMPLES)
    assert mrkdwn.most("Plain **prose** with `code`. " * 100) < 3_600


def test_a_message_fits_up_to_its_limit() -> None:
    assert fits("x" * 3_900)
    assert not fits("x" * 3_901)
    table = "| a |\n|---|\n"
    assert fits(table + "x" * 11_800)
    assert not fits(table + "x" * 11_900)


def test_escapes_and_wide_characters_count_as_what_is_sent() -> None:
    assert measure("&" * 10) == 50
    assert measure("👍" * 10) == 20
    assert not fits("&" * 1_000)


def test_plain_text_is_escaped() -> None:
    assert escape("a < b & <!channel> @here") == f"a &lt; b &amp; &lt;!channel&gt; @{WJ}here"
    assert escape("> x") == f"{WJ}&gt; x"


def test_rendering_a_message_takes_milliseconds() -> None:
    text = "\n\n".join(entry.markdown for entry in OWN)[:3_500]
    fits(text)
    start = time.process_time()
    for number in range(10):
        render(f"{text}{number}")
    assert (time.process_time() - start) / 10 < 0.1  # an order of magnitude above what it takes


@pytest.mark.parametrize(
    "hostile", ["[", "`", "*", "> ", "(", "![", "- ", "\\(", "$", "<a", "~", "_*", "&", "[](", "**a ", "@"]
)
def test_hostile_repetition_is_rendered_in_reasonable_time(hostile: str) -> None:
    start = time.process_time()
    render(hostile * (4_000 // len(hostile)), {"Ada": "U1"})
    assert time.process_time() - start < 3

"""Markdown as models write it, in the Markdown of Slack's block: the cases people meet, and what holds for any text."""

import re
import time
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from adapters.markdown import parse
from adapters.slack.mrkdwn import as_mrkdwn, length
from adapters.slack.native import as_native
from adapters.slack.rendering import CUT, blocks_of, fits, measure, most, plain_blocks_of, text_of
from bot.splitting import split
from tests.text.cost import MOST, against_plain_parsing
from tests.text.examples import EXAMPLES, MARKDOWN, OWN, letters, visible
from tests.text.pings import PLACES, SLACK_PINGS, assert_quiet_as_markdown

ZWS = "\u200b"
WJ = "\u2060"

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def native(markdown: str, people: dict[str, str] | None = None) -> str:
    return as_native(markdown, tuple((people or {}).items())).text


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("plain", "plain"),
        ("**bold** and __bold__", "**bold** and **bold**"),
        ("*it* and _it_ and ***both***", "_it_ and _it_ and _**both**_"),
        ("un*frigging*believable **a***b*", f"un*frigging*believable **a**{ZWS}*b*"),
        ("**.***word**", f"**.{ZWS}**{ZWS}*word*\\*"),
        ("**Note:**text", f"**Note:{ZWS}**text"),
        ("これは**「太字」**です", f"これは**{ZWS}「太字」{ZWS}**です"),
        ("**a **b** c** ~~gone~~", "**a b c** ~~gone~~"),
        ("# One\n\n## Two\ntext", "# One\n\n## Two\n\ntext"),
        ("#### Four **b**\n\ntext", "**Four b**\n\ntext"),
        ("Title\n=====", "# Title"),
        ("# [Site](https://e.com)", "**[Site](https://e.com)**"),
        ("[ask <ada@e.com> *now*](https://e.com) or not", "[ask ada@e.com _now_](https://e.com) or not"),
        ("# C#", "# C\\#"),
        (f"# {'long ' * 40}", f"**{('long ' * 40).strip()}**"),
        ("- # in a list", "- **in a list**"),
        ("> # in a quote", "> **in a quote**"),
        ("* a\n  * b\n    + c\n* d", "- a\n  - b\n    - c\n- d"),
        ("- a\n\n- b", "- a\n- b"),
        ("- a\n\n  b\n- c", "- a\n\n  b\n- c"),
        ("- a\n\n* b", "- a\n\n* b"),
        ("7. a\n7. b", "7. a\n8. b"),
        ("11. a\n3. b\n4. c", "11. a\n\n3) b\n4) c"),
        ("1. a\n   - b\n2. c", "1. a\n   - b\n2. c"),
        ("1. a\n   ```sh\n   ls\n   ```\n2. b", "1. a\n   ```sh\n   ls\n   ```\n2. b"),
        ("- [ ] open\n- [x] done", "- [ ] open\n- [x] done"),
        ("> a\n> > b\n\nc", "> a\n>\n> > b\n\nc"),
        ("~~~python title=x\nprint(1)\n~~~", "```python\nprint(1)\n```"),
        ("````\n```\nx\n```\n````", "````\n```\nx\n```\n````"),
        ("    indented", "```\nindented\n```"),
        ("use `` a`b `` here", "use ``a`b`` here"),
        ("a\n\n***\n\nb", "a\n\n---\n\nb"),
        ("|a|b|\n|:-|-:|\n|**1**|`x`|", "| a | b |\n| :--- | ---: |\n| **1** | `x` |"),
        ("| a |\n|---|\n| x\\|y |", "| a |\n| --- |\n| x\\|y |"),
        ("[label](https://e.com/a_(b)) [x](/rel) [top](#top)", "[label](https://e.com/a_%28b%29) x (/rel) top"),
        ("https://e.com/a_b, <https://e.com/*>", "<https://e.com/a_b>, <https://e.com/*>"),
        ("![alt](https://e.com/i.png) <a@b.org>", "[alt](https://e.com/i.png) [a@b.org](mailto:a@b.org)"),
        ("<b>x</b> a<br>b List<String> a < b", f"**x** a  \nb List<{WJ}String> a < b"),
        ("<kbd>Ctrl</kbd>+<kbd>K</kbd> x<sup>2</sup> H<sub>2</sub>O", "`Ctrl`+`K` x^2 H2O"),
        ("<b> alone, *a <i>b* c</i>", f"<{WJ}b> alone, _a <{WJ}i>b_ c<{WJ}/i>"),
        ("<details>\n<summary>More</summary>\n\ntext\n\n</details>", "**More**\n\ntext"),
        ("Best,\nKim\n\n> Best,\n> Kim\n\n- a<br>b", "Best,  \nKim\n\n> Best,  \n> Kim\n\n- a  \n  b"),
        ("<div>\n# x\n</div>", f"<{WJ}div>  \n\\# x  \n<{WJ}/div>"),
        ("$x_1 * y_2$ and \\(a_1\\)", "`x_1 * y_2` and `a_1`"),
        ("so\n\\[\n- a\n= b\n\\]\nthen", "so\n\n```\n- a\n= b\n```\n\nthen"),
        ("A claim[^1].\n\n[^1]: Source here.", "A claim[^1].\n\n\\[^1]: Source here."),
        (r"\*lit\* snake_case 1\. x \# y 5 * 3", r"\*lit\* snake_case 1. x # y 5 \* 3"),
        ("&amp;copy; & &copy;", f"&{WJ}copy; & ©"),
        (r"1\. no list", r"1\. no list"),
        (r"\# no heading", r"\# no heading"),
        (r"\> no quote", f"{WJ}> no quote"),
        (":tada: done", ":tada: done"),
        ("[ref]: https://e.com", "\\[ref]: https://e.com"),
        ("", ""),
    ],
)
def test_markdown_becomes_the_markdown_that_slack_names(markdown: str, expected: str) -> None:
    assert native(markdown) == expected


def test_a_table_wider_than_slack_takes_becomes_a_list() -> None:
    head = "|".join(f"h{n}" for n in range(21))
    row = "|".join(f"c{n}" for n in range(21))
    shown = native(f"|{head}|\n|{'-|' * 21}\n|{row}|")
    assert shown.startswith("- h0: c0\n  - h1: c1\n")
    assert "|" not in shown


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("@Ada Lovelace, look", "<@U1>, look"),
        ("**@Ada Lovelace**", "**<@U1>**"),
        ("`@Ada` @Adam", "`@Ada` @Adam"),
        ("| who |\n|---|\n| @Ada |", "| who |\n| --- |\n| <@U2> |"),
        ("```\n@Ada\n```", "```\n@Ada\n```"),
        ("<@U1> @channel", f"<{WJ}@U1> @{WJ}channel"),
    ],
)
def test_only_named_people_are_mentioned(markdown: str, expected: str) -> None:
    assert native(markdown, {"Ada Lovelace": "U1", "Ada": "U2"}) == expected


@pytest.mark.parametrize("ping", SLACK_PINGS)
@pytest.mark.parametrize("place", PLACES)
def test_no_crowd_and_no_stranger_is_pinged_from_anywhere(place: str, ping: str) -> None:
    assert_quiet_as_markdown(native(place.replace("{}", ping), {"Ada": "UADA"}))


@settings(max_examples=150, deadline=None)
@given(
    MARKDOWN,
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["<!channel>", "@here", "<@U99>", "<!subteam^S1|@x>"]))),
)
@example("``", [(1, "<!channel>")])
@example("[a label](https://example.com)", [(8, "<!subteam^S1|@x>")])
def test_pings_injected_into_any_text_never_survive(text: str, pings: list[tuple[int, str]]) -> None:
    for place, ping in pings:
        text = text[:place] + ping + text[place:]
    assert_quiet_as_markdown(native(text, {"Ada": "UADA"}))


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("<>!@&;#^|`*_[]()\\ \n-ahcnelr123xU"), max_size=60))
def test_no_scramble_of_control_characters_pings(text: str) -> None:
    assert_quiet_as_markdown(native(text))


def emphasised(tokens: list[Token]) -> list[tuple[str, str]]:
    """What a reader sees as bold, struck or emphasised, its letters alone, where anything is."""
    found: list[tuple[str, str]] = []
    for token in tokens:
        opened: dict[str, list[str]] = {}
        depth: dict[str, int] = {}
        for child in token.children or []:
            kind, _, side = child.type.rpartition("_")
            if kind in {"strong", "em", "s"}:
                depth[kind] = depth.get(kind, 0) + (1 if side == "open" else -1)
                if not depth[kind] and letters("".join(opened.get(kind, []))):
                    found.append((kind, letters("".join(opened[kind]))))
                if not depth[kind]:
                    opened[kind] = []
            else:
                for name, count in depth.items():
                    if count:
                        opened.setdefault(name, []).append(child.content)
    return sorted(found)


def of_paragraphs(tokens: list[Token]) -> list[Token]:
    """The inline tokens of paragraphs: a heading's bold is not written, a table of one more time."""
    return [inline for before, inline in pairwise(tokens) if before.type == "paragraph_open"]


_PLAIN = st.sampled_from(
    ["word", "a", "日本", " ", " ", ".", ":", "(", ")", "「", "」", "!", "`c`", "é", "🎉", "-", "**", "*"]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(_PLAIN, min_size=1, max_size=14).map("".join))
@example("**word*.**.**")
def test_a_strict_reader_sees_the_emphasis_that_was_meant(text: str) -> None:
    shown = native(text)
    wanted = emphasised(of_paragraphs(parse(text)))
    assert emphasised(of_paragraphs(READER.parse(shown))) == wanted, shown


@settings(max_examples=150, deadline=None)
@given(MARKDOWN)
def test_what_is_written_reads_the_same_a_second_time(text: str) -> None:
    once = native(text)
    assert visible(READER.render(native(once))) == visible(READER.render(once))


@settings(max_examples=150, deadline=None)
@given(MARKDOWN)
def test_the_quick_bound_is_never_below_the_real_length(text: str) -> None:
    assert measure(text) <= most(text)
    assert measure(text, {"x": "U12345"}) <= most(text, {"x": "U12345"})


def test_the_quick_bound_holds_for_every_example_and_tells_much() -> None:
    assert all(measure(entry.markdown) <= most(entry.markdown) for entry in EXAMPLES)
    assert most("Plain **prose** with `code`. " * 100) < 5_000


def test_a_message_fits_up_to_its_limit() -> None:
    assert fits("x" * 11_900)
    assert not fits("x" * 11_901)
    assert not fits("&amp;amp;" * 2_000)
    assert fits("👍" * 5_950) and not fits("👍" * 5_951)


def test_tables_are_held_to_what_slack_takes_of_them() -> None:
    header = "| a | b |\n|---|---|\n"
    assert fits(header + "| 1 | 2 |\n" * 99)
    assert not fits(header + "| 1 | 2 |\n" * 100)
    assert fits(header + f"| {'x' * 9_000} | 2 |")
    assert not fits(header + f"| {'x' * 5_000} | 2 |\n\ntext\n\n{header}| {'x' * 5_000} | 2 |")


def test_a_message_is_one_block_and_a_text_for_notifications() -> None:
    assert blocks_of("**hi** @Ada", {"Ada": "U1"}) == [{"type": "markdown", "text": "**hi** <@U1>"}]
    assert text_of("**hi** @Ada", {"Ada": "U1"}) == "*hi* <@U1>"
    assert blocks_of(" \n") == []


@settings(max_examples=40, deadline=None)
@given(st.lists(MARKDOWN, min_size=1, max_size=12).map("\n\n".join))
def test_the_text_is_all_of_it_or_its_beginning_and_never_too_long(text: str) -> None:
    shown = text_of(text)
    assert length(shown) <= 4_000
    assert letters(as_mrkdwn(text)).startswith(letters(shown)[:-40])
    assert shown.endswith(CUT) or letters(shown) == letters(as_mrkdwn(text))


@settings(max_examples=40, deadline=None)
@given(st.lists(MARKDOWN, min_size=1, max_size=12).map("\n\n".join))
def test_where_the_block_is_refused_the_same_stands_in_sections(text: str) -> None:
    blocks = plain_blocks_of(text)
    assert all(1 <= len(block["text"]["text"]) <= 3_000 for block in blocks)
    said = "".join(as_mrkdwn(part) for part in split(text, lambda part: length(as_mrkdwn(part)) <= 2_999))
    assert letters("".join(block["text"]["text"] for block in blocks)) == letters(said)


def test_rendering_costs_little_more_than_parsing() -> None:
    text = "\n\n".join(entry.markdown for entry in OWN)[:3_500]
    assert against_plain_parsing(native, text) < MOST


@pytest.mark.parametrize(
    "hostile",
    ["[", "`", "*", "> ", "(", "![", "- ", "\\(", "$", "<a", "~", "_*", "&", "[](", "**a ", "@", "**a:**", "|"],
)
def test_hostile_repetition_is_rendered_in_reasonable_time(hostile: str) -> None:
    start = time.process_time()
    native(hostile * (4_000 // len(hostile)), {"Ada": "U1"})
    assert time.process_time() - start < 3


def test_fences_are_balanced_in_what_is_written() -> None:
    for entry in EXAMPLES:
        shown = native(entry.markdown)
        fences = [token for token in READER.parse(shown) if token.type == "fence"]
        marks = re.findall(r"^[> \d.)*-]*`{3,}", shown, re.MULTILINE)
        assert len(marks) >= 2 * len(fences)

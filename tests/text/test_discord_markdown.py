"""Markdown as models write it, in Discord's, and Discord's messages as the model reads them."""

import re
import time
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from adapters.discord.markdown import LIMIT, escape, fits, measure, mentioned_ids, render, to_markdown
from tests.text.cost import MOST, against_plain_parsing
from tests.text.examples import MARKDOWN, OWN

ZWS = "\u200b"

_CROWD = re.compile(r"@(?:everyone|here)", re.IGNORECASE)
_PING = re.compile(r"<@[!&]?(\d+)")


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("plain", "plain"),
        ("**bold** and __bold__", "**bold** and **bold**"),
        ("*it* and _it_", "*it* and *it*"),
        ("***both***", "_**both**_"),
        ("**bold *it* bold**", "**bold _it_ bold**"),
        ("**bold**word and un*frigging*believable", "**bold**word and un*frigging*believable"),
        ("~~gone~~ *a *b* c*", "~~gone~~ *a b c*"),
        ("foo***bar***baz *a **b***c", "foo***bar***baz *a **b***c"),
        ("a <b>*x*</b> [<i>i</i>](https://e.com)", "a **_x_** [*i*](https://e.com)"),
        ("http: x, xhttps://e.com, https://. (https://e.com).", "http: x, xhttps://e.com, https://. (https://e.com)."),
        ("[![](/p.png)](https://e.com) and a$b$c, $ $", "https://e.com and a$b$c, $ $"),
        ("# One\n\n## Two\n\n### Three", "# One\n## Two\n### Three"),
        ("#### Four **b**\n\ntext", "**Four b**\ntext"),
        ("- # in a list", "- **in a list**"),
        ("Title\n=====", "# Title"),
        ("`a`", "`a`"),
        ("`` a`b ``", "``a`b``"),
        ("`` `a ``", "`` `a ``"),
        ("```python title=x\nprint(1)\n```", "```python\nprint(1)\n```"),
        ("~~~\nx\n~~~", "```\nx\n```"),
        ("````\n```\nx\n```\n````", f"```\n``{ZWS}`\nx\n``{ZWS}`\n```"),
        ("    indented", "```\nindented\n```"),
        ("- a\n- b\n  - c", "- a\n- b\n  - c"),
        ("1. a\n   - b\n2. c", "1. a\n   - b\n2. c"),
        ("9. a\n9. b", "9. a\n10. b"),
        ("11. a\n3. b\n4. c", "11. a\n3\\. b\n4. c"),
        ("- [ ] open\n- [x] done", "- ☐ open\n- ☑ done"),
        ("> a\n> b", "> a\n> b"),
        ("> ```\n> x\n> ```", "> ```\n> x\n> ```"),
        ("a\n\n---\n\nb", "a\n\n────────────\n\nb"),
        ("[label](https://e.com/a_(b))", "[label](https://e.com/a_%28b%29)"),
        ("[**bold** [x]](https://e.com)", r"[**bold** \[x\]](https://e.com)"),
        ("[https://e.com](https://e.com)", "https://e.com"),
        ("[ask <ada@e.com> now](https://e.com) or not", "[ask ada@e.com now](https://e.com) or not"),
        ("[see https://a.b](https://e.com)", "see https://a.b (https://e.com)"),
        ("[rel](/path) [top](#top)", "rel (/path) top"),
        ("<a@b.org> [mail](mailto:a@b.org)", "a@b.org mail (a@b.org)"),
        ("<https://e.com>", "https://e.com"),
        ("https://e.com/a_b_c*d.", "https://e.com/a_b_c*d."),
        ("https://e.com/a_ b", r"<https://e.com/a>\_ b"),
        ("![alt](https://e.com/i.png)", "[alt](https://e.com/i.png)"),
        ("![](https://e.com/i.png)", "https://e.com/i.png"),
        ("[![b](https://e.com/b.svg)](https://e.com)", "[b](https://e.com)"),
        ("<b>x</b> a<br>b <c>", "**x** a\nb <c>"),
        ("<div>\n# x\n</div>", "<div>\n\\# x\n</div>"),
        (r"\*lit\* \_lit\_ snake_case ||no spoiler|| \`x\`", r"\*lit\* \_lit\_ snake_case \|\|no spoiler\|\| \`x\`"),
        (r"1\. no list", r"1\. no list"),
        (r"\# no heading", r"\# no heading"),
        (r"\> no quote", r"\> no quote"),
        (r"\- no list", r"\- no list"),
        (r"C:\\dir\\name and \\", r"C:\dir\name and \\"),
        ("5 * 3 ~ 4", r"5 \* 3 ~ 4"),
        ("$x_1 * y_2$ for $5", "`x_1 * y_2` for $5"),
        ("\\[\nE = mc^2\n\\]", "```\nE = mc^2\n```"),
        ("so\n$$\n- a_1\n+ b\n$$\nthen", "so\n```\n- a_1\n+ b\n```\nthen"),
        ("\\begin{align}\na &= b \\\\\n\\end{align}", "```\n\\begin{align}\na &= b \\\\\n\\end{align}\n```"),
        (r"\(a_1\) and \[b_2 * c\]", "`a_1` and `b_2 * c`"),
        ("- x\n\n  $$\n  y\n  $$", "- x\n```\ny\n```"),
        ("text\n\n```\nx\n```\n\ntext\n\n## Title\n\n#### Deep", "text\n```\nx\n```\ntext\n## Title\n**Deep**"),
        ("text\n\n#### Deep", "text\n\n**Deep**"),
        (":white_check_mark: at 10:30:45, `:tada:` and :no_such:", "✅ at 10:30:45, `:tada:` and :no_such:"),
        ("**Note:**text, a**(b)**c, 注意**「重要」**です", "**Note:**text, a**(b)**c, 注意**「重要」**です"),
        ("5*(3)*2 and x ** y", r"5\*(3)\*2 and x \*\* y"),
        ("at <t:1700000000:R> use </ask:123>", f"at <{ZWS}t:1700000000:R> use <{ZWS}/ask:123>"),
        (r"\-# small \>\>\> q", r"\-# small >>> q"),
        ("a  \nb", "a\nb"),
        ("[ref]: https://e.com", "[ref]: https://e.com"),
        ("A claim[^1].\n\n[^1]: Source here.", "A claim[^1].\n\n[^1]: Source here."),
    ],
)
def test_markdown_becomes_discords(markdown: str, expected: str) -> None:
    assert render(markdown) == expected


def test_a_table_becomes_an_aligned_code_block() -> None:
    markdown = "| Name | Price |  名前 |\n|---|--:|:-:|\n| **a** | 5 | x |\n| `b` c | 1250 | 日本語 |"
    assert render(markdown) == (
        "```\nName │ Price │  名前\n─────┼───────┼───────\na    │     5 │   x\nb c  │  1250 │ 日本語\n```"
    )


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.lists(st.text(st.sampled_from("ab日本👍é "), max_size=6), min_size=3, max_size=3), min_size=2, max_size=6
    )
)
def test_the_columns_of_a_table_stand_below_each_other(rows: list[list[str]]) -> None:
    head, *body = ["| " + " | ".join(f"x{cell}" for cell in row) + " |" for row in rows]
    lines = render("\n".join([head, "|---|---|---|", *body])).split("\n")[1:-1]
    bars = [[cell_len(line[:place]) for place, character in enumerate(line) if character in "│┼"] for line in lines]
    assert len({tuple(bar) for bar in bars}) == 1


def test_a_table_with_links_or_too_wide_for_a_screen_becomes_a_list() -> None:
    markdown = "| Tool | Site |\n|---|---|\n| A | [site](https://a.b) |\n| B | - |"
    assert render(markdown) == "- Tool: A\n  - Site: [site](https://a.b)\n- Tool: B\n  - Site: -"
    wide = f"| Tool | Words |\n|---|---|\n| A | {'long ' * 30}|"
    assert render(wide).startswith("- Tool: A\n  - Words: long long")


def test_a_table_of_a_header_alone_is_shown() -> None:
    assert render("| a | b |\n|---|---|") == "```\na │ b\n──┼──\n```"


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("@Ada Lovelace, look", "<@1>, look"),
        ("**@Ada** or @Ada_B", "**<@2>** or <@3>"),
        ("`@Ada` @Adam", "`@Ada` @Adam"),
        ("<@1> <@!1> <@&4> <#5>", f"<@{ZWS}1> <@{ZWS}!1> <@{ZWS}&4> <#5>"),
        ("@everyone @Here", f"@{ZWS}everyone @{ZWS}Here"),
    ],
)
def test_only_named_people_are_mentioned(markdown: str, expected: str) -> None:
    assert render(markdown, {"Ada Lovelace": "1", "Ada": "2", "Ada_B": "3"}) == expected


@pytest.mark.parametrize(
    "ping",
    [
        "@everyone",
        "@here",
        "<@123>",
        "<@!123>",
        "<@&123>",
        "@EVERYONE",
        "&#64;everyone",
        "<&#64;123>",
        "\\@here",
        "&lt;@123>",
        "<\\@123>",
        "@**everyone**",
        "@ev&#101;ryone",
        "<**@123**>",
        "\ufdd0123\ufdd1",
        "&#xfdd0;123&#xfdd1;",
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
        "https://e.com/{}",
        "<https://e.com/{}>",
        "| a |\n|---|\n| [{}](https://e.com/{}) |",
        "    {}",
        "[x]: {}",
        "```{}\nx\n```",
    ],
)
def test_no_crowd_role_or_stranger_is_pinged_from_anywhere(place: str, ping: str) -> None:
    assert_quiet(render(place.replace("{}", ping), {"Ada": "777"}))


def assert_quiet(shown: str) -> None:
    assert not _CROWD.search(shown)
    assert set(_PING.findall(shown)) <= {"777"}


@settings(max_examples=150, deadline=None)
@given(
    MARKDOWN,
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["@everyone", "@here", "<@99>", "<@&5>", "<@!1>"]))),
)
def test_pings_injected_into_any_text_never_survive(text: str, pings: list[tuple[int, str]]) -> None:
    for place, ping in pings:
        text = text[:place] + ping + text[place:]
    assert_quiet(render(text, {"Ada": "777"}))


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("<>@!&;#|`*_[]()\\ \n-hereveryon123"), max_size=60))
def test_no_scramble_of_control_characters_pings(text: str) -> None:
    assert_quiet(render(text))


@settings(max_examples=120, deadline=None)
@given(st.text(max_size=200))
def test_any_text_renders_and_fences_are_balanced(text: str) -> None:
    shown = render(text)
    assert isinstance(shown, str)
    assert len(re.findall(r"^[> ]*```", shown, re.MULTILINE)) % 2 == 0


def test_a_message_fits_up_to_its_limit() -> None:
    assert fits("x" * LIMIT)
    assert not fits("x" * (LIMIT + 1))
    assert measure("👍" * 10) == 10
    assert not fits("x* " * 600)


def test_plain_text_is_escaped() -> None:
    assert escape("*a* @everyone") == rf"\*a\* @{ZWS}everyone"


PEOPLE: Mapping[str, str] = {"1": "Ada"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<@1> and <@!1>, <@2>", "@Ada and @Ada, @someone"),
        ("<@&3> <@&4>", "@ops @role"),
        ("<#5> <#6>", "#general #channel"),
        ("<:smile:7> <a:party:8>", ":smile: :party:"),
        ("</ask:9> </parley set:9>", "/ask /parley set"),
        ("**bold** <https://e.com> `x`", "**bold** <https://e.com> `x`"),
        ("<@> <@x> @everyone", "<@> <@x> @everyone"),
    ],
)
def test_discord_text_becomes_markdown(text: str, expected: str) -> None:
    assert to_markdown(text, PEOPLE, {"3": "ops"}, {"5": "general"}) == expected


def test_mentioned_people_are_found_once_in_order_and_not_in_code() -> None:
    assert mentioned_ids("<@2> <@!1> <@2> <@&3> <#4> `<@5>` ```\n<@6>\n```") == ("2", "1")


@settings(max_examples=120, deadline=None)
@given(st.text(st.sampled_from("<>@!&#:/`1a \n"), max_size=60))
def test_no_text_makes_reading_raise_and_no_id_stays(text: str) -> None:
    assert not re.search(r"<@[!&]?1+>", to_markdown(text, PEOPLE)) or len(text) > 40
    assert isinstance(mentioned_ids(text), tuple)


def test_rendering_costs_little_more_than_parsing() -> None:
    text = "\n\n".join(entry.markdown for entry in OWN)[:2_000]
    assert against_plain_parsing(render, text) < MOST


@pytest.mark.parametrize(
    "hostile", ["[", "`", "*", "> ", "(", "![", "- ", "\\(", "$", "<a", "~", "_*", "&", "[](", "**a ", "@"]
)
def test_hostile_repetition_is_rendered_in_reasonable_time(hostile: str) -> None:
    start = time.process_time()
    render(hostile * (4_000 // len(hostile)), {"Ada": "1"})
    assert time.process_time() - start < 3

"""What a cut text must keep: every part fits, nothing is lost or doubled, no cut moves while the text grows."""

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.discord import markdown as discord
from adapters.slack import rendering
from bot.numbering import numbered
from bot.splitting import Fits, close_open, split, split_stable
from tests.text.examples import EXAMPLES, MARKDOWN, PARAGRAPH

_FENCE = re.compile(r"[>\s]*(?:`{3,}|~{3,})")
_DELIMITER = re.compile(r"[\s>]*\|?[\s:|-]+\|?\s*$")


def up_to(size: int) -> Fits:
    return lambda text: len(text) <= size


def dense(text: str) -> str:
    return re.sub(r"\s+", "", text)


def openers(part: str) -> set[str]:
    """What a part may start with that was put there by the split."""
    lines = part.split("\n")
    found = {""}
    if _FENCE.match(lines[0]):
        found.add(dense(lines[0]))
        if len(lines) > 1 and (quote := re.match(r"[\s>]*>", lines[1])):
            found.add(dense(lines[0] + quote[0]))
    if len(lines) > 1 and "|" in lines[0] and _DELIMITER.match(lines[1]):
        found.add(dense(lines[0] + lines[1]))
    if quote := re.match(r"[\s>]*>", part):
        found |= {">" * count for count in range(1, quote[0].count(">") + 1)}
    return found


def closers(part: str) -> set[str]:
    last = part.rsplit("\n", 1)[-1]
    return {"", dense(last)} if _FENCE.match(last) else {""}


def is_whole(parts: list[str], text: str) -> bool:
    """Tell whether the parts are the text, each with at most an opener and a closer that the text itself has."""
    source = dense(numbered(text.replace("\r\n", "\n").replace("\r", "\n")))
    reached = {0}
    for number, part in enumerate(parts):
        body = dense(part)
        following = set()
        for opener in openers(part) if number else {""}:
            for closer in closers(part) if number < len(parts) - 1 else {""}:
                content = body.removeprefix(opener).removesuffix(closer)
                if len(content) + len(opener) + len(closer) == len(body):
                    following |= {at + len(content) for at in reached if source.startswith(content, at)}
        reached = following
    return len(source) in reached


def test_a_short_text_is_one_part() -> None:
    assert split("Hello *there*.", up_to(100)) == ["Hello *there*."]


@pytest.mark.parametrize("blank", ["", " ", "\n\n", "\t\n ", " " * 500, "\n \n" * 200])
def test_a_blank_text_has_no_parts(blank: str) -> None:
    assert split(blank, up_to(10)) == []
    assert split_stable(blank, up_to(10)) == ([], "")


def test_paragraphs_are_kept_whole_where_they_can() -> None:
    text = f"{'a ' * 30}.\n\n{'b ' * 30}.\n\n{'c ' * 30}."
    assert split(text, up_to(130)) == [f"{'a ' * 30}.\n\n{'b ' * 30}.", f"{'c ' * 30}."]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    text = "One two three four. Five six seven eight! Nine ten eleven twelve? Thirteen."
    assert split(text, up_to(45)) == ["One two three four. Five six seven eight!", "Nine ten eleven twelve? Thirteen."]


def test_a_long_sentence_is_cut_between_words() -> None:
    parts = split("word " * 40, up_to(32))
    assert all(set(part.split()) == {"word"} for part in parts)
    assert " ".join(parts).split() == ["word"] * 40


def test_a_list_item_goes_whole_into_the_next_part() -> None:
    text = "Steps:\n\n1. " + "first words. " * 4 + "\n2. " + "second words. " * 4 + "\n3. " + "third words. " * 4
    assert [part.split(".")[0][-1] for part in split(text, up_to(140))] == ["1", "3"]
    assert [part[:3] for part in split(text, up_to(70))] == ["Ste", "2. ", "3. "]


def test_the_numbering_of_a_list_goes_on() -> None:
    text = "\n".join(f"{n}. item number {n}" for n in range(1, 30))
    parts = split(text, up_to(100))
    assert len(parts) > 4
    assert "\n".join(parts) == text


def test_a_list_that_is_numbered_by_its_reader_goes_on_with_the_number_a_reader_sees() -> None:
    text = "Steps:\n\n" + "\n".join(f"1. item {n}\n   - detail of {n}" for n in range(1, 30)) + "\n\nDone."
    parts = split(text, up_to(100))
    assert len(parts) > 8
    for render in (discord.render, lambda part: rendering.blocks_of(part)[0]["text"]):
        numbers = [int(n) for part in parts for n in re.findall(r"^(\d+)\.", render(part), re.MULTILINE)]
        assert numbers == list(range(1, 30))
    assert all("\n   - detail" in part or "\n    - detail" in part for part in parts[:-1])


def test_a_nested_list_and_the_one_around_it_go_on_with_their_numbers() -> None:
    inner = "\n".join(f"   {n}. inner {n}" for n in range(1, 12))
    text = f"1. first\n2. second\n{inner}\n3. third\n\n   More of it, at some length.\n4. fourth, which is long too"
    parts = split(text, up_to(70))
    assert len(parts) > 3
    for render in (discord.render, lambda part: rendering.blocks_of(part)[0]["text"]):
        shown = [render(part) for part in parts]
        numbers = [int(n) for part in shown for n in re.findall(r"^ *(\d+)\\?[.)]", part, re.MULTILINE)]
        assert numbers == [1, 2, *range(1, 12), 3, 4]


@settings(max_examples=150, deadline=None)
@given(MARKDOWN)
@example("1. a\n1. b\n   - c\n" * 12)
@example("> 1. a\n> 1. b\n\n9) x\n9) y\n   z")
def test_numbers_that_a_reader_counts_read_the_same_when_they_are_written(text: str) -> None:
    assert discord.render(numbered(text)) == discord.render(text)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(["1. a", "1. b", "2. c", "   1. d", "   - e", "", "text", "```", "10. f"]), max_size=20),
    st.data(),
)
def test_numbers_do_not_change_while_the_text_grows(lines: list[str], data: st.DataObject) -> None:
    end = data.draw(st.integers(0, len(lines)))
    sooner, later = (numbered("\n".join(part)).split("\n") for part in (lines[:end], lines))
    assert later[: end - 1] == sooner[: end - 1] or not end


def test_no_part_says_which_of_how_many_it_is() -> None:
    assert split("word " * 100, up_to(100)) == ["word " * 19 + "word"] * 5


def test_a_nested_item_that_starts_a_part_loses_its_indent_and_so_do_its_siblings() -> None:
    text = "- top\n" + "\n".join(f"    - nested item {n}" for n in range(10)) + "\n- next"
    parts = split(text, up_to(80))
    assert len(parts) > 2
    assert all(part.startswith("- ") for part in parts)
    assert not any("\n    -" in part for part in parts[1:])


def test_a_split_fence_is_closed_and_opened_again_with_its_language() -> None:
    code = "\n".join(f"    line_{n} = {n}" for n in range(40))
    parts = split(f"Look:\n\n```python\n{code}\n```\n\nDone.", up_to(200))
    fenced = [part for part in parts if "```" in part]
    assert len(fenced) > 3
    assert all(part.count("```python\n") == 1 and part.count("```") == 2 for part in fenced)
    found = [re.findall(r"```python\n(.*?)\n```", part, re.DOTALL)[0] for part in fenced]
    assert "\n".join(found) == code


@pytest.mark.parametrize(
    ("opener", "closer", "indent"),
    [
        ("~~~js", "~~~", ""),
        ("`````markdown", "`````", ""),
        ("```", "```", ""),
        ("> ```sh", "> ```", "> "),
        ("- x\n\n  ```c", "  ```", "  "),
        ("10. x\n    ~~~~c", "    ~~~~", "    "),
        ("- ```c", "  ```", "  "),
    ],
)
def test_every_kind_of_fence_is_opened_again(opener: str, closer: str, indent: str) -> None:
    lines = [f"code {n};" for n in range(30)]
    text = "\n".join([opener, *(indent + line for line in lines), closer])
    parts = split(text, up_to(90))
    first_line = re.sub(r"^(?:[-\d. ]+)", "", opener.rsplit("\n", 1)[-1])
    assert len(parts) > 3
    assert all(part.split("\n")[0] == first_line for part in parts[1:])
    assert all(part.split("\n")[-1].strip() == closer.strip() for part in parts)
    kept = [line.removeprefix("> ").strip() for part in parts for line in part.split("\n") if "code" in line]
    assert kept == lines


def test_a_giant_line_of_code_is_cut_within_its_fence() -> None:
    parts = split(f"```json\n{'x' * 500}\n```", up_to(100))
    assert all(part.startswith("```json\n") and part.endswith("\n```") for part in parts)
    assert sum(part.count("x") for part in parts) == 500


def test_a_giant_line_of_indented_code_stays_code() -> None:
    parts = split("Look:\n\n    " + "some code; " * 30, up_to(100))
    assert len(parts) > 2
    assert all(part.startswith("    ") for part in parts[1:])
    assert sum(part.count("some") for part in parts) == 30


def test_a_table_repeats_its_header() -> None:
    header = "| name | value |\n|------|------:|"
    rows = [f"| row {n} | {n} |" for n in range(20)]
    parts = split("\n".join([header, *rows]), up_to(120))
    assert len(parts) > 2
    assert all(part.startswith(header) for part in parts)
    assert [row for part in parts for row in part.split("\n")[2:]] == rows


def test_a_heading_does_not_end_a_part() -> None:
    text = f"{'intro words ' * 8}\n\n## Heading\n\n{'text words ' * 8}"
    parts = split(text, up_to(120))
    assert parts[1].startswith("## Heading\n\ntext")


def test_a_quote_goes_on_as_a_quote() -> None:
    parts = split("> " + "Some quoted words. " * 20, up_to(100))
    assert len(parts) > 3
    assert all(part.startswith("> Some") for part in parts)


@pytest.mark.parametrize(
    "atom",
    [
        "[a label of words](https://example.com/a/b)",
        "![a picture of](https://example.com/p.png)",
        "[a [nested] label](https://example.com/a_(b))",
        "`inline code with words`",
        "``code with ` in it``",
        "https://example.com/a/long/path?with=query&and=more",
        "<https://example.com/auto>",
        "**some bold words**",
        r"\( a + b \)",
    ],
)
@pytest.mark.parametrize("before", range(0, 60, 7))
def test_a_link_code_or_address_is_not_cut(atom: str, before: int) -> None:
    text = f"{'ab ' * (before // 3)}{atom} {'cd ' * 30}"
    parts = split(text, up_to(60))
    assert len(parts) > 1
    assert sum(atom in part for part in parts) == 1


def test_what_does_not_fit_alone_is_cut_anyway() -> None:
    parts = split(f"See https://example.com/{'x' * 300} now", up_to(100))
    assert sum(part.count("x") for part in parts) == 301
    assert all(len(part) <= 100 for part in parts)


@pytest.mark.parametrize("cluster", ["👩‍👩‍👧‍👦", "👍🏽", "🇩🇪", "e\u0301", "❤️", "각", "각", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"])
def test_a_cut_never_falls_inside_a_grapheme_cluster(cluster: str) -> None:
    for size in range(12, 20):
        parts = split(cluster * 40, up_to(size))
        assert all(part == cluster * (len(part) // len(cluster)) for part in parts)
        assert "".join(parts) == cluster * 40


def test_one_character_that_does_not_fit_goes_out_alone() -> None:
    assert split("abc", up_to(0)) == ["a", "b", "c"]


def test_line_ends_of_other_systems_are_read() -> None:
    assert split("a\r\n\r\nb\rc", up_to(100)) == ["a\n\nb\nc"]


@settings(max_examples=150, deadline=None)
@given(MARKDOWN, st.integers(30, 400))
@example("> a\n> b\n\n1. x\n   ```\n   y\n   ```", 30)
def test_the_parts_fit_and_put_together_are_the_text(text: str, size: int) -> None:
    parts = split(text, up_to(size))
    assert all(len(part) <= size for part in parts)
    assert all(part.strip() for part in parts)
    assert is_whole(parts, text)


@settings(max_examples=120, deadline=None)
@given(st.text(max_size=300), st.integers(0, 60))
def test_any_text_at_all_is_cut_without_loss(text: str, size: int) -> None:
    parts = split(text, up_to(size))
    assert all(len(part) <= max(size, 40) for part in parts)
    assert is_whole(parts, text)


def test_a_text_with_a_word_lost_is_not_taken_for_whole() -> None:
    parts = split("one two three four five six", up_to(12))
    assert is_whole(parts, "one two three four five six")
    assert not is_whole(parts[:-1], "one two three four five six")
    assert not is_whole([*parts, "six"], "one two three four five six")


@settings(max_examples=100, deadline=None)
@given(MARKDOWN, st.integers(20, 300), st.data())
def test_finished_parts_never_change_while_the_text_grows(text: str, size: int, data: st.DataObject) -> None:
    ends = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    whole = split(text, up_to(size))
    earlier: list[str] = []
    for end in [*ends, len(text)]:
        finished, growing = split_stable(text[:end], up_to(size))
        assert finished[: len(earlier)] == earlier
        assert whole[: len(finished)] == finished
        assert len(growing) <= size
        assert split(text[:end], up_to(size))[: len(finished) + 1] == [*finished, *filter(None, [growing])]
        earlier = finished


def test_the_growing_part_is_the_last_but_for_a_little_look_ahead() -> None:
    text = "word " * 2_000
    behind = [
        len(split(text[:end], up_to(1_000))) - len(split_stable(text[:end], up_to(1_000))[0])
        for end in range(0, 5_000, 30)
    ]
    assert set(behind) <= {0, 1, 2}
    assert behind.count(2) < len(behind) * 0.2


def slack_sends(preview: str) -> bool:
    return rendering.measure(preview) <= 12_000 and len(rendering.text_of(preview)) <= 4_000


def discord_sends(preview: str) -> bool:
    return len(discord.render(preview)) <= 2_000


@pytest.mark.parametrize(
    ("fits", "sends"), [(rendering.fits, slack_sends), (discord.fits, discord_sends)], ids=["slack", "discord"]
)
def test_a_long_answer_is_cut_the_same_while_it_grows_on_both_platforms(fits: Fits, sends: Fits) -> None:
    text = "\n\n".join(entry.markdown for entry in EXAMPLES)[:9_000]
    whole = split(text, fits)
    assert all(fits(part) for part in whole)
    assert is_whole(whole, text)
    earlier: list[str] = []
    for end in range(0, len(text), 913):
        finished, growing = split_stable(text[:end], fits)
        assert finished[: len(earlier)] == earlier
        assert whole[: len(finished)] == finished
        assert fits(growing)
        assert sends(close_open(growing))
        earlier = finished


@settings(max_examples=50, deadline=None)
@given(st.lists(PARAGRAPH, min_size=1, max_size=30).map(" ".join))
def test_a_cut_paragraph_keeps_its_words(text: str) -> None:
    assert " ".join(" ".join(split(text, up_to(200))).split()) == " ".join(text.split())


@pytest.mark.parametrize("size", [100, 2_000, 4_000, 12_000])
def test_a_very_long_text_is_cut_with_few_measurements(size: int) -> None:
    unit = "\n\n".join(entry.markdown for entry in EXAMPLES)
    text = (unit * (200_000 // len(unit) + 1))[:200_000]
    measured = 0

    def fits(part: str) -> bool:
        nonlocal measured
        measured += 1
        return len(part) <= size

    start = time.process_time()
    parts = split(text, fits)
    assert time.process_time() - start < 30  # far above what it takes on a slow and busy machine, far below a blow-up
    assert measured < 70 * len(parts)


@pytest.mark.parametrize(
    "hostile", ["[", "`", "*", "> ", "(", "![", "- ", "\\(", "$", "<a", "| ", "~", "_*", "&", "[](", "\n"]
)
def test_hostile_repetition_is_cut_in_reasonable_time(hostile: str) -> None:
    start = time.process_time()
    text = hostile * (6_000 // len(hostile))
    parts = split(text, up_to(1_500))
    assert is_whole(parts, text)
    assert time.process_time() - start < 30

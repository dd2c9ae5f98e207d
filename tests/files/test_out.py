"""Which files an answer comes with, and how one that is too long for a chat is shortened there."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.files import out
from bot.files.out import GOES_ON, at_most, beside, own_name, own_words, whole, whole_name
from bot.splitting import split

KEY = "0123456789abcdef0123"
TABLE = "| who | what |\n|---|---|\n| Ada | **code** and `x\\|y` |\n| Bob, Jr. | =1+1 |\n| Eve | -5 |\n"

NAME = whole_name("0123456789abcdef")


def short(text: str) -> bool:
    return len(text) <= 200


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


def test_a_whole_answer_is_a_markdown_file_that_is_found_again_by_its_name() -> None:
    file = whole("# Hi\n\nthere", KEY)
    assert (file.name, file.media_type, file.data) == ("answer-01234567.md", "text/markdown", b"# Hi\n\nthere\n")
    assert own_name("usage.png", KEY) == "usage-01234567.png"
    assert own_name("readme", KEY) == "readme-01234567"


@pytest.mark.parametrize(
    ("info", "name"),
    [
        ("python", "code-1-01234567.py"),
        ("ts", "code-1-01234567.ts"),
        ("C++", "code-1-01234567.cpp"),
        ("{.rust}", "code-1-01234567.rs"),
        ("js title=app.js", "code-1-01234567.js"),
        ("../../etc", "code-1-01234567.txt"),
        ("", "code-1-01234567.txt"),
    ],
)
def test_a_big_block_of_code_is_a_file_in_its_language(info: str, name: str) -> None:
    code = "\n".join(f"line {n}" for n in range(out.MOST_CODE_LINES + 1))
    [file] = beside(f"Here:\n\n```{info}\n{code}\n```\n\nDone.", "write it", KEY)
    assert (file.name, file.data.decode()) == (name, f"{code}\n")


def test_a_block_of_few_long_lines_is_big_and_one_of_few_short_lines_is_none() -> None:
    assert [f.name for f in beside(f"~~~json\n{'x' * 4_001}\n~~~", "", KEY)] == ["code-1-01234567.json"]
    assert beside("```python\nprint()\n```", "", KEY) == []
    lines = "\n".join("x" for _ in range(out.MOST_CODE_LINES))
    assert beside(f"```python\n{lines}\n```", "", KEY) == []


@pytest.mark.parametrize(
    "asked", ["as CSV please", "for Excel", "an .xlsx would be nice", "put it in a spreadsheet", "als Excel-Tabelle"]
)
def test_a_table_is_csv_too_for_who_asks_for_one(asked: str) -> None:
    [file] = beside(f"Here:\n\n{TABLE}", asked, KEY)
    assert (file.name, file.media_type) == ("table-1-01234567.csv", "text/csv")
    assert file.data.startswith(b"\xef\xbb\xbf")
    assert read(file.data) == [["who", "what"], ["Ada", "code and x|y"], ["Bob, Jr.", "'=1+1"], ["Eve", "-5"]]


def test_a_small_table_that_nobody_asked_for_is_no_file_and_a_long_one_is() -> None:
    assert beside(TABLE, "compare them", KEY) == []
    assert beside(TABLE, "how do I excels at it", KEY) == []
    long = "| n |\n|---|\n" + "".join(f"| {n} |\n" for n in range(out.MOST_TABLE_ROWS + 1))
    [file] = beside(long, "list them", KEY)
    assert len(read(file.data)) == out.MOST_TABLE_ROWS + 2


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("as csv please\n\nForwarded from Ada:\n> the Excel file", "as csv please\n\nForwarded from Ada:"),
        ("compare them\n\nIn reply to Bob:\n> as CSV?\n>\n> yes", "compare them\n\nIn reply to Bob:"),
        ("> send a csv\nWhy?", "Why?"),
        ("is 3 > 2, as csv?", "is 3 > 2, as csv?"),
        ("  > indented csv", ""),
        ("", ""),
    ],
)
def test_what_a_question_quotes_is_not_its_own(text: str, own: str) -> None:
    assert own_words(text) == own


def test_csv_that_the_model_wrote_as_such_is_a_file_for_who_asked() -> None:
    said = "```csv\nname,age\nÄda,36\n```"
    [file] = beside(said, "give me a csv", KEY)
    assert (file.name, read(file.data)) == ("table-1-01234567.csv", [["name", "age"], ["Äda", "36"]])
    assert beside(said, "what is a comma?", KEY) == []


def test_an_answer_comes_with_few_files_whatever_is_in_it() -> None:
    code = "x\n" * 100
    assert len(beside(f"```py\n{code}```\n\n" * 20, "", KEY)) == out.MOST_FILES - 1


def test_a_long_answer_keeps_its_first_messages_and_says_that_it_goes_on() -> None:
    text = "\n\n".join(f"Paragraph {n} says something that is worth a line." for n in range(40))
    parts = split(text, short)
    shown = at_most(parts, 3, short, NAME)
    assert shown[:2] == parts[:2] and len(shown) == 3
    assert shown[2].endswith(f"\n\n_{GOES_ON.format(name=NAME)}_") and shown[2].startswith("Paragraph")
    assert at_most(parts, len(parts), short, NAME) == parts == at_most(parts, None, short, NAME)


def test_a_block_of_code_that_goes_on_in_the_file_is_closed_before_it_says_so() -> None:
    parts = split("```py\n" + "print('hello')\n" * 60 + "```", short)
    last = at_most(parts, 2, short, NAME)[1]
    assert last.count("```") == 2 and last.endswith(f"```\n\n_{GOES_ON.format(name=NAME)}_")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(["# Head", "- item\n- more", "```py\nx = 1\ny = 2\n```", TABLE, "words " * 30, "é" * 150])
    ),
    st.integers(1, 5),
)
def test_what_is_shortened_fits_and_is_never_more_messages_than_may_be(blocks: list[str], most: int) -> None:
    parts = split("\n\n".join(blocks), short)
    shown = at_most(parts, most, short, NAME)
    assert len(shown) == min(len(parts), most)
    assert all(short(part) for part in shown)
    assert shown[: most - 1] == parts[: most - 1]
    assert all(part.count("```") % 2 == 0 for part in shown)

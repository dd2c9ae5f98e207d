"""What the model reads of each kind of file, and the short reason where it reads none."""

from __future__ import annotations

import bz2
import gzip
import io
import sys
import tarfile

import pytest

from bot.files import kinds, texts
from bot.files.documents import SCAN
from bot.files.kinds import Unreadable, actual, expected, extension
from bot.files.opener import Opener
from bot.files.opening import TOO_MUCH, Opened
from tests.files import samples

# The machine may be slow: what is judged here is not the time.
PATIENT = Opener(seconds=120)


async def opened(name: str, data: bytes, media_type: str = "application/octet-stream", most: int = 10_000) -> Opened:
    return await PATIENT.text(actual(name, media_type, data), data, most)


async def refused(name: str, data: bytes, media_type: str = "application/octet-stream") -> str:
    with pytest.raises(Unreadable) as unreadable:
        await opened(name, data, media_type)
    return str(unreadable.value)


@pytest.mark.parametrize(
    ("name", "media_type", "kind"),
    [
        ("notes.txt", "text/plain", "text"),
        ("main.rs", "application/octet-stream", "text"),
        ("app.ts", "video/mp2t", "text"),
        ("logo.svg", "image/svg+xml", "text"),
        ("Dockerfile", "application/octet-stream", "text"),
        (".env", "application/octet-stream", "text"),
        ("data.json", "application/json", "text"),
        ("page.html", "text/html", "text"),
        ("table.CSV", "application/vnd.ms-excel", "csv"),
        ("Report.PDF", "application/octet-stream", "pdf"),
        ("whatever", "application/pdf", "pdf"),
        ("letter.docx", "application/octet-stream", "docx"),
        ("budget.xlsm", "application/octet-stream", "xlsx"),
        ("a\\b\\c.py", "", "text"),
        ("mystery.bin", "application/octet-stream", None),
        ("mystery", "", None),
    ],
)
def test_a_file_is_taken_for_what_its_name_and_type_say(name: str, media_type: str, kind: str | None) -> None:
    assert expected(name, media_type) == kind


@pytest.mark.parametrize(
    ("name", "media_type", "why"),
    [
        ("all.zip", "application/zip", kinds.ARCHIVE),
        ("all.tar.gz", "application/gzip", kinds.ARCHIVE),
        ("old.xls", "application/vnd.ms-excel", kinds.OLD),
        ("talk.mp3", "audio/mpeg", kinds.RECORDING),
        ("talk.mp4", "video/mp4", kinds.RECORDING),
        ("phone.heic", "image/heic", kinds.NO_PICTURE),
    ],
)
def test_what_is_never_read_is_known_before_it_is_fetched(name: str, media_type: str, why: str) -> None:
    with pytest.raises(Unreadable) as unreadable:
        expected(name, media_type)
    assert str(unreadable.value) == why


def test_an_extension_is_the_last_one_and_some_names_are_their_own() -> None:
    names = ["a.b.PY", "Makefile", ".gitignore", ".env", "no extension", "dir/x.md", "trailing."]
    assert [extension(name) for name in names] == ["py", "makefile", "", "env", "", "md", ""]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
async def test_a_text_is_read_in_whatever_way_it_is_written(encoding: str) -> None:
    text = "Grüße aus Köln, schöne Tage in der Bäckerei über dem Fluß.\n" * 5
    found = await opened("notes.txt", text.replace("\n", "\r\n").encode(encoding), "text/plain")
    assert found == Opened(text.rstrip("\n"))


async def test_text_in_japanese_without_a_mark_is_recognised() -> None:
    text = "これは日本語の文章です。エンコーディングは何も書いてありません。\n" * 20
    assert (await opened("memo.txt", text.encode("shift_jis"), "text/plain")).text == text.rstrip("\n")


async def test_what_has_no_known_name_and_reads_as_text_is_one() -> None:
    assert (await opened("deploy.unheardof", b"key = value\n")).text == "key = value"
    assert await refused("blob.unheardof", bytes(range(256)) * 40) == kinds.UNREADABLE


async def test_a_long_text_is_cut_and_no_more_of_it_is_looked_at() -> None:
    found = await opened("log.txt", "ä€\n".encode() * 100_000, "text/plain", most=10)
    assert found == Opened("ä€\nä€\nä€\nä", cut=True)
    assert texts.decoded_plainly(b"fine\n" * 1_000 + b"\xff\xff", 10) is not None


async def test_a_csv_is_read_as_it_stands() -> None:
    assert (await opened("t.csv", b"name;amount\r\nAda;1,5\r\n", "text/csv")).text == "name;amount\nAda;1,5"


async def test_a_pdf_is_read_page_by_page() -> None:
    assert (await opened("one.pdf", samples.pdf("Only page"))).text == "Only page"
    found = await opened("two.pdf", samples.pdf("First page", "", "Third page"))
    assert found.text == "[page 1]\nFirst page\n\n[page 3]\nThird page"


async def test_a_pdf_that_only_forbids_printing_is_read() -> None:
    assert (await opened("terms.pdf", samples.only_print_forbidden("Read me"))).text == "Read me"


async def test_a_word_document_is_read_with_its_headings_lists_and_tables() -> None:
    made = samples.word(
        [("Heading 2", "Plan"), ("", "We begin in May."), ("List Bullet", "first"), ("List Bullet", "second")],
        [["who", "what"], ["Ada", "code | tests"]],
    )
    assert (await opened("plan.docx", made)).text == (
        "## Plan\n\nWe begin in May.\n\n- first\n- second\n| who | what |\n| --- | --- |\n| Ada | code \\| tests |"
    )


async def test_a_workbook_is_read_sheet_by_sheet_without_what_is_hidden() -> None:
    made = samples.workbook(
        Sales=[["region", "sold", None], ["north", 0.1 + 0.2], [None, None], ["a, b", True]],
        hidden_notes=[["secret"]],
        Empty=[],
        Costs=[["rent", 700]],
    )
    assert (await opened("b.xlsx", made)).text == (
        '[sheet Sales]\nregion,sold\nnorth,0.3\n"a, b",TRUE\n\n[sheet Costs]\nrent,700'
    )


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("empty.txt", b"", kinds.EMPTY),
        ("blank.txt", b" \n\n", kinds.NO_TEXT),
        ("locked.pdf", samples.pdf("secret", password="letmein"), kinds.PROTECTED),
        ("scan.pdf", samples.pdf("", ""), SCAN),
        ("broken.pdf", b"%PDF-1.7\n" + b"garbage " * 50, kinds.NOT_ITS_NAME),
        ("page.pdf", b"<html>not a document</html>", kinds.NOT_ITS_NAME),
        ("really_a_zip.pdf", samples.archive(a=b"x"), kinds.NOT_ITS_NAME),
        ("locked.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), kinds.PROTECTED),
        ("empty.docx", samples.word([("", "")]), kinds.NO_TEXT),
        ("a_zip.docx", samples.archive(a=b"x"), kinds.NOT_ITS_NAME),
        ("half.docx", samples.word([("", "whole")])[:3_000], kinds.NOT_ITS_NAME),
        ("sheet.docx", samples.workbook(A=[[1]]), kinds.NOT_ITS_NAME),
        ("letter.xlsx", samples.word([("", "x")]), kinds.NOT_ITS_NAME),
        ("empty.xlsx", samples.workbook(A=[]), kinds.NO_TEXT),
        ("text.xlsx", b"a,b\n1,2\n", kinds.NOT_ITS_NAME),
        ("picture.txt", b"\x89PNG\r\n\x1a\n" + bytes(99), kinds.NOT_ITS_NAME),
        ("packed.txt", gzip.compress(b"hello", mtime=0), kinds.NOT_ITS_NAME),
        ("packed", bz2.compress(b"hello"), kinds.ARCHIVE),
        ("program", b"\x7fELF" + bytes(99), kinds.UNREADABLE),
        ("old_word", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), kinds.OLD),
        ("cut.txt", b"\xff\xfea\0b\xd8", kinds.NOT_ITS_NAME),
    ],
)
async def test_each_thing_that_stands_in_the_way_has_its_own_reason(name: str, data: bytes, why: str) -> None:
    assert await refused(name, data) == why


def test_a_tar_is_an_archive_by_what_is_in_it() -> None:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as made:
        made.addfile(tarfile.TarInfo("a"))
    with pytest.raises(Unreadable, match="archives"):
        actual("backup", "", written.getvalue())


async def test_a_file_that_takes_too_long_is_given_up_and_its_process_is_gone() -> None:
    hanging = Opener(seconds=0.5, command=(sys.executable, "-c", "import time; time.sleep(600)"))
    with pytest.raises(Unreadable) as unreadable:
        await hanging.text("pdf", samples.pdf("x"), 10)
    assert str(unreadable.value) == TOO_MUCH


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", kinds.NOT_ITS_NAME),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", TOO_MUCH),
        ("raise SystemExit(1)", TOO_MUCH),
        ("", TOO_MUCH),
    ],
)
async def test_a_process_that_dies_over_a_file_is_told_of(program: str, why: str) -> None:
    with pytest.raises(Unreadable) as unreadable:
        await Opener(seconds=120, command=(sys.executable, "-c", program)).text("pdf", b"%PDF-", 10)
    assert str(unreadable.value) == why


async def test_where_no_process_can_be_started_the_file_is_left_out() -> None:
    with pytest.raises(Unreadable):
        await Opener(command=("/no/such/program",)).text("pdf", b"%PDF-", 10)

"""Files made to harm who opens them: each ends in a reason or a bounded text, never in a hang or an exhausted host."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import psutil
import pytest

from bot import child
from bot.files import kinds
from bot.files.fetching import NotNow
from bot.files.kinds import Unreadable
from bot.files.opener import Opener
from bot.files.opening import MOST_WRITTEN, TOO_MUCH, Opened
from bot.files.packages import BOMB, MOST_PARTS, MOST_UNPACKED, checked
from tests.files import samples

PATIENT = Opener(seconds=120)
WORD = samples.word([("", "harmless")])
DOCUMENT = "word/document.xml"


async def why(kind: kinds.Kind, data: bytes, most: int = 1_000) -> str:
    with pytest.raises(Unreadable) as unreadable:
        await PATIENT.text(kind, data, most)
    return str(unreadable.value)


async def test_a_package_that_says_it_unpacks_to_gigabytes_is_not_unpacked() -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as made:
        for number in range(3):
            with made.open(f"word/{number}.xml", "w") as part:
                for _ in range(MOST_UNPACKED // 2 // 1_000_000):
                    part.write(bytes(1_000_000))
    assert len(bomb.getvalue()) < 2_000_000
    assert await why("docx", bomb.getvalue()) == BOMB


def test_a_package_that_lies_about_its_size_is_read_no_further_than_it_said() -> None:
    data = bytearray(samples.archive(**{"a.xml": b"<a>" + b"x" * 50_000 + b"</a>"}))
    # The size stands at offset 24 of the entry in the central directory.
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (10).to_bytes(4, "little")
    with pytest.raises(Unreadable, match="damaged"):
        checked(bytes(data))


async def test_a_package_of_very_many_parts_is_left_out() -> None:
    assert await why("xlsx", samples.archive(**{f"{n}": b"" for n in range(MOST_PARTS + 1)})) == BOMB


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
async def test_entities_that_multiply_are_not_expanded(encoding: str) -> None:
    laughs = samples.laughs("w:document").decode().replace('"1.0"', f'"1.0" encoding="{encoding}"').encode(encoding)
    assert await why("docx", samples.with_part(WORD, DOCUMENT, laughs)) == kinds.NOT_ITS_NAME
    sheet = samples.with_part(samples.workbook(A=[["x"]]), "xl/sharedStrings.xml", laughs)
    assert await why("xlsx", sheet) == kinds.NOT_ITS_NAME


async def test_an_entity_that_names_a_file_of_the_host_brings_nothing_of_it() -> None:
    host = '<!DOCTYPE d [<!ENTITY host SYSTEM "file:///etc/passwd">]>'
    part = samples.part_of(WORD, DOCUMENT).decode().replace("?>", f"?>{host}", 1).replace("harmless", "&host;")
    assert await why("docx", samples.with_part(WORD, DOCUMENT, part.encode())) == kinds.NOT_ITS_NAME


async def test_elements_nested_by_the_ten_thousand_are_survived() -> None:
    deep = b"<w:p>" * 50_000 + b"</w:p>" * 50_000
    part = samples.part_of(WORD, DOCUMENT).replace(b"<w:body>", b"<w:body>" + deep)
    assert await why("docx", samples.with_part(WORD, DOCUMENT, part)) == kinds.NOT_ITS_NAME


async def test_a_part_that_reaches_out_of_its_package_writes_nothing() -> None:
    found = await PATIENT.text("docx", samples.with_part(WORD, "../../escaped.txt", b"x"), 100)
    assert found == Opened("harmless")


async def test_a_sheet_of_a_million_rows_is_read_no_further_than_is_shown() -> None:
    rows = "".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c></row>' for n in range(1, 200_001))
    book = samples.workbook(A=[["x"]])
    part = samples.part_of(book, "xl/worksheets/sheet1.xml").decode()
    start, end = part.index("<sheetData>"), part.index("</sheetData>")
    part = f"{part[:start]}<sheetData>{rows}{part[end:]}".replace('ref="A1"', 'ref="A1:XFD1048576"')
    found = await PATIENT.text("xlsx", samples.with_part(book, "xl/worksheets/sheet1.xml", part.encode()), 50)
    assert found.cut and found.text.startswith("[sheet A]\n1\n2\n3\n")


async def test_a_pdf_that_claims_ten_thousand_pages_gives_those_it_has() -> None:
    found = await PATIENT.text("pdf", samples.claiming_pages(10_000, "Only this"), 1_000)
    assert "Only this" in found.text


async def test_arrays_nested_by_the_thousand_in_a_pdf_are_survived() -> None:
    nested = samples.pdf("x").replace(b"/Kids", b"/Deep " + b"[" * 20_000 + b"]" * 20_000 + b" /Kids", 1)
    try:
        found = await PATIENT.text("pdf", nested, 100)
    except Unreadable as unreadable:
        assert str(unreadable) in (kinds.NOT_ITS_NAME, TOO_MUCH)
    else:
        assert found.text == "x"


def test_a_process_that_opens_a_file_has_no_more_memory_than_it_is_given() -> None:
    greedy = "from bot.files.opening import bound; bound(60); bytes(4 * 1024 ** 3)"
    done = subprocess.run([sys.executable, "-c", greedy], capture_output=True, check=False)
    assert b"MemoryError" in done.stderr


def test_a_process_that_opens_a_file_has_no_more_time_than_it_is_given() -> None:
    busy = "from bot.files.opening import bound; bound(1)\nwhile True: pass"
    done = subprocess.run([sys.executable, "-c", busy], capture_output=True, check=False, timeout=80)
    assert done.returncode < 0


def test_a_process_that_opens_a_file_fills_no_disk(tmp_path: Path) -> None:
    writing = f"from bot.files.opening import bound; bound(60); open({str(tmp_path / 'x')!r}, 'wb').write(b'x' * 10**7)"
    done = subprocess.run([sys.executable, "-c", writing], capture_output=True, check=False)
    assert b"File too large" in done.stderr
    assert (tmp_path / "x").stat().st_size == MOST_WRITTEN


async def test_a_process_that_opens_a_file_goes_on_when_all_of_the_bots_are_told_to_end() -> None:
    reading = asyncio.create_task(PATIENT.text("pdf", samples.pdf("The launch is on Thursday."), 100))
    told = 0
    while not reading.done():
        for each in psutil.Process().children():
            with contextlib.suppress(psutil.Error, OSError):
                if "bot.files.opening" in each.cmdline() and _is_deaf(each.pid):
                    each.terminate()
                    each.send_signal(signal.SIGINT)
                    told += 1
        await asyncio.sleep(0.005)
    assert (await reading).text == "The launch is on Thursday."
    assert told


async def test_one_that_was_told_to_end_before_it_was_deaf_is_worth_another_try() -> None:
    opener = Opener(command=(sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"))
    with pytest.raises(NotNow):
        await opener.text("pdf", samples.pdf("x"), 100)


def _is_deaf(pid: int) -> bool:
    """Whether a process ignores SIGTERM: https://man7.org/linux/man-pages/man5/proc_pid_status.5.html"""
    [ignored] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigIgn:")]
    return bool(int(ignored.split()[1], 16) & 1 << (signal.SIGTERM - 1))


def test_a_process_that_opens_a_file_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "SLACK_BOT_TOKEN", "PARLEY_KEY", "DATABASE_URL", "discord_bot_token"):
        monkeypatch.setenv(name, "planted")
    assert "planted" not in json.dumps(child._environment())

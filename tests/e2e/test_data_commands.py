"""`parley export`, `erase` and `audit` as processes of their own, beside a worker that goes on answering."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from storage import Store
from storage.scopes import Change, Scope
from tests.e2e.stage import Stage, user_texts
from tests.e2e.talk import Talk, idle
from tests.e2e.test_start import Ended, run
from tests.storage.people import asks, keeps, says
from tests.storage.test_inbox import rows

pytestmark = pytest.mark.timeout(240)


async def parley(stage: Stage, *arguments: str) -> Ended:
    """A command with nothing set but the database."""
    return await run(*arguments, cwd=stage.folder, DATABASE_URL=stage.environment["DATABASE_URL"])


def objects(text: str) -> list[dict[str, Any]]:
    """The JSON lines in what a command said."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def leftovers(folder: Path) -> list[Path]:
    """Files that were begun and never became whole."""
    return list(folder.glob("*.part"))


async def test_a_person_is_exported_and_then_erased_while_the_worker_answers(talk: Talk) -> None:
    stage, openai = talk.stage, talk.openai
    openai.script("noted", "all of it", "hello again")
    person = talk.ada.id if talk.platform == "slack" else str(talk.bob.id)
    named = f"{talk.platform}:{person}"
    database = stage.folder / "parley.db"
    async with stage.worker() as worker:
        first = await talk.ask("my birthday is in May")
        await talk.until("noted")
        await idle(worker)
        exported, file = await asyncio.gather(
            parley(stage, "export", "--user", named), parley(stage, "export", "--user", named, "mine.jsonl")
        )
        assert (exported.code, file.code) == (0, 0), (exported.out, file.out)
        found = objects(exported.out)
        assert [(row["role"], row["text"]) for row in found if row["kind"] == "message"] == [
            ("user", "my birthday is in May"), ("assistant", "noted"),
        ]  # fmt: skip
        assert {row["kind"] for row in found} == {"message", "turn", "usage"}
        assert all(row["user_id"] == person for row in found if row["kind"] == "usage")
        written = stage.folder / "mine.jsonl"
        assert objects(written.read_text()) == found
        assert stat.S_IMODE(written.stat().st_mode) == 0o600
        again = await parley(stage, "export", "--user", named, "mine.jsonl")
        assert again.code == 2 and "--force" in again.out

        refused = await parley(stage, "erase", "--user", named)
        assert refused.code == 2 and "--yes" in refused.out
        erased = await parley(stage, "erase", "--user", named, "--yes")
        assert erased.code == 0 and "1 message, 1 answer to them alone" in erased.out, erased.out
        nothing = await parley(stage, "erase", "--user", named, "--yes")
        assert nothing.code == 1 and "Nothing is kept" in nothing.out
        gone = await parley(stage, "export", "--user", named)
        assert gone.code == 1 and objects(gone.out) == []
        assert rows(database, "SELECT DISTINCT user_id FROM usage") == [("erased",)]

        await talk.ask_on(first, "do you know my birthday?")
        await talk.until("noted", "all of it")
        await idle(worker)
    assert [text.partition(": ")[2] for text in user_texts(openai.calls[-1].body)] == ["do you know my birthday?"]
    assert len(openai.calls) == 2


@pytest.fixture
async def kept(tmp_path: Path) -> dict[str, str]:
    """A database with a workspace in it, and the variable that names it."""
    url = f"sqlite:///{tmp_path / 'p.db'}"
    store = await Store.open(url)
    await store.inbox.accept(says("1", "one"), "100.1", rule=asks, complete=True)
    await store.inbox.accept(says("2", "two", author="U2", at=1), "100.1", rule=keeps, complete=True)
    for number in range(60):
        change = Change(Scope("slack", "T1", "C1"), "set", "system", f"be {number}\x1b[2J", "U1", "Ada")
        await store.controls.change(change)
    await store.controls.change(Change(Scope("discord", "G1"), "reset", "model", None, "8", "Bob"))
    await store.close()
    return {"DATABASE_URL": url}


async def test_a_workspace_is_exported_with_all_that_was_said_and_changed(kept: dict[str, str], tmp_path: Path) -> None:
    ended = await run("export", "--workspace", "slack:T1", cwd=tmp_path, **kept)
    assert ended.code == 0, ended.out
    found = objects(ended.out)
    kinds = [row["kind"] for row in found]
    assert {kind: kinds.count(kind) for kind in kinds} == {"setting": 1, "message": 2, "turn": 1, "audit": 60}
    message = next(row for row in found if row["kind"] == "message")
    assert message["sent_at"] == "2026-03-02T09:00:00.000000Z" and message["conversation"] == "100.1"


async def test_the_audit_is_told_to_people_and_to_programs(kept: dict[str, str], tmp_path: Path) -> None:
    ended = await run("audit", "--workspace", "slack:T1", "--channel", "C1", cwd=tmp_path, **kept)
    assert ended.code == 0, ended.out
    lines = [line.split("\t") for line in ended.out.splitlines() if "\t" in line]
    assert lines[0] == ["time", "who", "where", "what"] and len(lines) == 51
    assert lines[1][1:3] == ["Ada (U1)", "slack T1/C1"]
    assert lines[1][3].startswith("set system: be 58") and "→ be 59" in lines[1][3] and "\x1b" not in ended.out
    assert "--all lists them" in ended.out
    whole = await run("audit", "--json", "--all", "--since", "1d", cwd=tmp_path, **kept)
    found = objects(whole.out)
    assert len(found) == 61 and found[0]["platform"] == "discord" and found[1]["after"] == "be 59\x1b[2J"
    none = await run("audit", "--since", "2999-01-01", cwd=tmp_path, **kept)
    assert none.code == 0 and "Nothing was changed" in none.out


async def test_a_file_that_cannot_be_written_is_named_with_exit_code_2(kept: dict[str, str], tmp_path: Path) -> None:
    for file, said in (("no/such/folder/file", "cannot be written"), ("p.db", "--force replaces it")):
        ended = await run("export", "--workspace", "slack:T1", file, cwd=tmp_path, **kept)
        assert ended.code == 2 and said in ended.out, ended.out
        assert "Traceback" not in ended.out
    assert leftovers(tmp_path) == []


async def test_where_there_is_no_database_nothing_is_made(tmp_path: Path) -> None:
    ended = await run("audit", cwd=tmp_path, DATABASE_URL=f"sqlite:///{tmp_path / 'none.db'}")
    assert ended.code == 2 and "there is no database" in ended.out
    assert not (tmp_path / "none.db").exists()

"""Keys while the bot runs: one that is revoked, files that change under load, and secrets that a team names in chat."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from emulators.openai import Reply
from tests.e2e.asking import Corner, logged
from tests.e2e.stage import Stage
from tests.e2e.test_start import run

GOOD = "sk-emulated-key"
TEAM = "sk-team-key-for-research"
NEXT = "sk-next-key-of-the-host"


@pytest.fixture(params=["slack", "discord"])
def corner(on_stage: Stage, request: pytest.FixtureRequest) -> Corner:
    corner = Corner(on_stage, request.param)
    asker = corner.ada.id if request.param == "slack" else str(corner.bob.id)
    on_stage.extra["PARLEY_ADMINS"] = f"{corner.admin('slack')}, {corner.admin('discord')}, {asker}"
    return corner


def put(folder: Path, name: str, text: str) -> None:
    """Write a secret file as careful programs do: beside it, then renamed into its place."""
    folder.mkdir(exist_ok=True)
    (folder / f".{name}").write_text(text)
    (folder / f".{name}").rename(folder / name)


async def test_with_a_revoked_key_before_a_good_one_every_question_is_answered_and_the_admins_hear_of_it_once(
    corner: Corner,
) -> None:
    corner.stage.extra["OPENAI_API_KEY"] = f"sk-revoked-key-0001,{GOOD}"
    async with corner.stage.worker() as worker:
        for _ in range(8):
            await corner.ask()
        assert len(await corner.answered(worker, 8)) == 8
        [told] = await corner.until_told(1)
        await corner.ask()
        await corner.answered(worker, 9)
    keys = Counter(call.key for call in corner.openai.calls)
    assert keys[GOOD] == 9 and keys["sk-revoked-key-0001"] <= 2
    assert "`key-1` of `OPENAI_API_KEY`" in told and "0001" not in told
    assert len(corner.told()) == 1


async def test_a_key_file_swapped_under_load_loses_no_answer(corner: Corner, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    put(secrets, "openai_api_key", GOOD)
    corner.openai.keys.add(NEXT)
    corner.stage.extra |= {"PARLEY_SECRETS_DIR": str(secrets), "OPENAI_API_KEY": ""}
    corner.openai.responder = lambda asked: Reply("one two three four five six seven", by_words=True, chunk_delay=0.1)
    async with corner.stage.process() as worker:
        asked = 0
        for _ in range(4):
            await corner.ask()
            asked += 1
        await corner.openai.wait_for(lambda: len(corner.openai.open_streams) >= 2)
        put(secrets, "openai_api_key", f"{NEXT}\n")
        async with asyncio.timeout(60):
            while b"secret_file_taken_up" not in worker.log.read_bytes():
                await corner.ask()
                asked += 1
                await asyncio.sleep(0.1)
        corner.openai.revoke(GOOD)
        before = len(corner.openai.calls)
        await corner.ask()
        asked += 1
        whole = "one two three four five six seven"
        await corner.place.wait_for(lambda: corner.answers().count(whole) == asked, timeout=60)
        assert {call.key for call in corner.openai.calls[before:]} <= {NEXT}
    assert {call.status for call in corner.openai.calls} == {200}


async def test_a_place_pays_with_the_secret_it_names_and_with_no_other(corner: Corner, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    put(secrets, "openai_api_key_research", TEAM)
    corner.openai.keys.add(TEAM)
    corner.stage.extra["PARLEY_SECRETS_DIR"] = str(secrets)
    async with corner.stage.worker() as worker:
        with logged() as entries:
            await corner.ask("!set key reserch")
            [unknown] = await corner.answered(worker, 1)
            await corner.ask(f"!set key {TEAM}")
            await corner.answered(worker, 2)
        assert "no secret called `reserch`" in unknown and "`research`" in unknown
        hidden = corner.answers()[-1]
        assert "replace that key" in hidden and TEAM not in corner.sent()
        assert TEAM not in str(entries)
        await corner.ask("!set key research")
        await corner.answered(worker, 3)
        await corner.ask()
        await corner.openai.wait_for(lambda: corner.openai.calls)
        assert [call.key for call in corner.openai.calls] == [TEAM]
        (secrets / "openai_api_key_research").unlink()
        async with asyncio.timeout(60):
            while worker.backend.secrets:
                await asyncio.sleep(0.05)
        await corner.ask()
        gone = "The key that pays for this place isn't there any more"
        await corner.place.wait_for(lambda: any(gone in said for said in corner.answers()))
        [told] = await corner.until_told(1)
        assert "`OPENAI_API_KEY_RESEARCH`" in told
        assert len(corner.openai.calls) == 1


async def test_a_model_that_does_not_know_a_parameter_says_so_when_it_is_set(corner: Corner) -> None:
    corner.stage.extra["OPENAI_MODEL"] = "o4-mini"
    async with corner.stage.worker() as worker:
        await corner.ask("!set temperature 0.2")
        [said] = await corner.answered(worker, 1)
        assert said.replace("*", "") == "I left temperature as it is: `o4-mini` takes no temperature but 1."
        await corner.ask("!set model gpt-4o-minni")
        said = (await corner.answered(worker, 2))[-1]
        assert "`gpt-4o-mini`" in said
    assert corner.openai.calls == []


async def test_the_doctor_checks_every_named_secret(on_stage: Stage, tmp_path: Path) -> None:
    put(tmp_path / "secrets", "openai_api_key_research", TEAM)
    on_stage.openai.keys.add(TEAM)
    given = on_stage.environment | {"PARLEY_SECRETS_DIR": str(tmp_path / "secrets")}
    well = await run("doctor", cwd=tmp_path, **given)
    assert well.code == 0 and "OPENAI_API_KEY_RESEARCH" in well.out, well.out
    ill = await run("doctor", cwd=tmp_path, **given, OPENAI_API_KEY_SALES="sk-revoked-key-0001")
    assert ill.code == 1 and "OPENAI_API_KEY_SALES: the key is refused" in ill.out, ill.out
    assert "0001" not in ill.out
    assert len(on_stage.openai.calls) == 2, "the host's own alone, once each time"

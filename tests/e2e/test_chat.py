"""`parley chat`: the terminal as one more platform, by the real process."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from emulators.openai import OpenAIService
from tests.e2e.stage import ROOT


async def chat(folder: Path, openai: OpenAIService, typed: str, *options: str) -> tuple[int, str, str]:
    """Type this to `parley chat`, a line at a time, and let the input end; returns the code and both outputs."""
    environment = {
        **os.environ,
        "SLACK_BOT_TOKEN": "",
        "SLACK_APP_TOKEN": "",
        "DISCORD_BOT_TOKEN": "",
        "OPENAI_API_KEY": "sk-emulated-key",
        "OPENAI_BASE_URL": openai.url,
        "OPENAI_MODEL": "gpt-4o-mini",
        "DATABASE_URL": f"sqlite:///{folder / 'parley.db'}",
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "chat", *options, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=pipe
    )
    async with asyncio.timeout(90):
        out, err = await process.communicate(typed.encode())
    return process.returncode or 0, out.decode(), err.decode()


async def test_one_can_talk_set_and_try_in_the_terminal_by_the_same_engine(tmp_path: Path) -> None:
    async with OpenAIService(limits="none") as openai:
        openai.script("I am here.", "As it is.", "As it is.", "Jes.")
        typed = "Are you there?\n!try temperature=1 | one word\n!set language Esperanto\nand now?\n/parley show\n"
        code, out, err = await chat(tmp_path, openai, typed, "--set", "temperature=0.3")
        assert (code, err) == (0, "")
        told = [
            "I am here.",
            "As it is.",
            "With temperature = 1",
            "set **language** to Esperanto",
            "Jes.",
            "What holds",
        ]
        assert [words for words in told if words not in out] == []
        bodies = [call.body for call in openai.calls]
        assert sorted(body["temperature"] for body in bodies) == [0.3, 0.3, 0.3, 1]
        assert "Esperanto" in bodies[-1]["messages"][0]["content"]
        assert any("Are you there?" in str(message["content"]) for message in bodies[-1]["messages"])


async def test_what_cannot_be_set_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    async with OpenAIService(limits="none") as openai:
        for given, said in (("temprature=1", "temperature"), ("temperature=9", "from 0 to 2"), ("model", "no value")):
            code, _, err = await chat(tmp_path, openai, "hello\n", "--set", given)
            assert code == 2 and said in err
        assert not openai.calls

"""The search for secrets and for what was said finds what is planted, in whatever form it was logged."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from emulators.discord import DiscordServer
from emulators.openai import OpenAIService
from emulators.slack import SlackWorkspace
from tests.secrecy import Planted, leaks, leaks_in_files, overhearing

LONG = "The launch is on Thursday at nine, and nobody outside may know of it yet."
PLANTED = Planted({"planted-secret-0001"}, {LONG, "über uns", "hello hello", "go", 'say "it" aloud'})


@pytest.mark.parametrize(
    "line",
    [
        "something planted-secret-0001 something",
        json.dumps({"event": "sent", "token": "planted-secret-0001"}),
        json.dumps({"event": "sent", "planted-secret-0001": 1}),
        f"INFO {LONG}",
        json.dumps({"event": "failed", "exception": f"ValueError: {LONG[:40]}"}),
        "cut off: nobody outside may know of",
        json.dumps({"event": "über uns"}),
        json.dumps({"event": [{"deep": 'say "it" aloud'}]}),
    ],
)
def test_what_is_planted_is_found(line: str) -> None:
    assert len(leaks(f"first line\n{line}\nlast line", PLANTED)) >= 1


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({"event": "message_accepted", "message": "1795686314.409233", "channel": "C000000002"}),
        "hello hello",
        "go",
        "The launch is planned",
        "planted-secret-0002",
        "über unsere",
    ],
)
def test_what_only_resembles_it_is_not(line: str) -> None:
    assert leaks(line, PLANTED) == []


def test_a_file_is_read_whatever_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"\xff\xfe planted-secret-0001\n")
    (tmp_path / "b.log").write_text("nothing\n")
    [leak] = leaks_in_files(tmp_path.glob("*.log"), PLANTED)
    assert leak.startswith("a secret (plan…)")


@pytest.mark.parametrize("captured", [False, True])
def test_the_loggers_of_this_process_are_overheard_as_the_bot_would_write_them(captured: bool) -> None:
    log = structlog.get_logger("test")
    with overhearing() as heard:
        if captured:
            with capture_logs():
                log.info("said", thing=LONG)
        else:
            log.info("said", thing=LONG)
        log.info("hidden", text=LONG, header="Bearer planted-secret-0001")
        logging.getLogger("library").warning("it said %s", "planted-secret-0001")
        try:
            int("über uns")
        except ValueError:
            log.exception("failed")
    assert len([leak for leak in leaks(heard.text, PLANTED) if "(planted" in leak or "secret (" in leak]) >= 1
    kinds = {line.split(")")[0] for line in leaks(heard.text, PLANTED)}
    assert "a secret (plan…" in kinds and "a message (über uns" in kinds
    assert any(kind.startswith("a message (The launch is on Thursday") for kind in kinds)
    assert heard.text.count("planted-secret-0001") == 1, "the header is hidden"
    log.info("after", thing="planted-secret-0001")
    assert heard.text.count("planted-secret-0001") == 1


async def test_what_is_planted_is_read_from_the_emulators() -> None:
    async with SlackWorkspace() as slack, DiscordServer() as discord, OpenAIService(keys=("sk-one-key-0001",)) as model:
        ada = slack.add_user("ada")
        said = await slack.say(ada, slack.add_channel("general"), "what Ada said first")
        await slack.edit(ada, said, "what Ada said then")
        await discord.say(discord.add_user("bob"), discord.add_channel("studio"), "what Bob said")
        planted = Planted().add(slack, discord, model)
    assert planted.secrets >= {slack.bot_token, slack.app_token, discord.token, "sk-one-key-0001"}
    assert planted.texts >= {"what Ada said first", "what Ada said then", "what Bob said"}

"""Nothing that is secret, and nothing that people or the model said, is in a log: the one search for it in all tests.

What was planted is read from the emulators: every token and key the bot was given, every text that people wrote or sent
as a file, and the model said. What was logged is a process's file, or what the loggers of this process wrote through
the bot's own processors (`overhearing`).
"""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from bot.logs import QUIET, hide_secrets
from emulators.discord import DiscordServer
from emulators.openai import OpenAIService
from emulators.slack import SlackWorkspace

# Shorter texts are words that any log has.
SHORTEST = 8
# A piece of a longer text is found by so many of its words in a row.
IN_A_ROW = 5
_WORD = re.compile(r"\w+")


@dataclass
class Planted:
    """What must not be logged."""

    secrets: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)

    def add(self, *emulators: SlackWorkspace | DiscordServer | OpenAIService) -> Planted:
        """All that these know of by now."""
        for emulator in emulators:
            match emulator:
                case SlackWorkspace():
                    self.secrets |= {emulator.bot_token, emulator.app_token}
                    self.texts |= {
                        state.text
                        for messages in emulator.store.values()
                        for message in messages.values()
                        if message.user != emulator.bot.id
                        for state in message.states
                    }
                    self.texts |= {
                        file.data.decode(errors="replace")
                        for file in emulator.files.values()
                        if file.media_type.startswith("text/")
                    }
                case DiscordServer():
                    self.secrets.add(emulator.token)
                    self.texts |= {
                        version.content
                        for channel in emulator.world.channels.values()
                        for message in channel.messages
                        if message.author is not emulator.bot
                        for version in message.versions
                    }
                    self.texts |= {
                        file.data.decode(errors="replace")
                        for file in emulator.world.attachments.values()
                        if file.content_type.startswith("text/")
                    }
                case OpenAIService():
                    self.secrets |= emulator.keys | {call.key for call in emulator.calls}
                    self.texts |= {call.text for call in emulator.calls}
        return self


def leaks(log: str, planted: Planted) -> list[str]:
    """What of it is in a log, each named with the line it stands in; nothing where all is well."""
    readings = [reading for line in log.splitlines() for reading in _readings(line)]
    found = [
        f"a secret ({secret[:4]}…) in: {line[:200]}"
        for secret in sorted(planted.secrets)
        if len(secret) >= SHORTEST
        for line in readings
        if secret in line
    ]
    short, rows = set[str](), set[tuple[str, ...]]()
    for text in planted.texts:
        for line in text.splitlines():
            words = _WORD.findall(line)
            if len(line.strip()) < SHORTEST or len(set(words)) < 2:
                continue
            if len(words) < IN_A_ROW:
                short.add(" ".join(words))
            rows |= {row for row in _rows(words) if len(set(row)) >= 2}
    for line in readings:
        words = _WORD.findall(line)
        spaced = f" {' '.join(words)} "
        found += [f"a message ({text}) in: {line[:200]}" for text in sorted(short) if f" {text} " in spaced]
        found += [f"a message ({' '.join(row)} …) in: {line[:200]}" for row in _rows(words) if row in rows]
    return list(dict.fromkeys(found))


def leaks_in_files(files: Iterable[Path], planted: Planted) -> list[str]:
    """The same of the log files of processes."""
    return [leak for file in sorted(files) for leak in leaks(file.read_text(errors="replace"), planted)]


def leaks_in_folder(folder: Path, planted: Planted) -> list[str]:
    """The same of all log files in a folder."""
    return leaks_in_files(folder.glob("*.log"), planted)


class Overheard(logging.Handler):
    """What this process's loggers have written, as the bot would write it."""

    def __init__(self) -> None:
        super().__init__()
        self._lines = io.StringIO()
        self.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[structlog.processors.format_exc_info, hide_secrets],
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(default=str),
                ],
            )
        )

    @property
    def text(self) -> str:
        """All lines so far."""
        return self._lines.getvalue()

    def emit(self, record: logging.LogRecord) -> None:
        """A line of a library's."""
        self._lines.write(self.format(record) + "\n")

    def take(self, event: dict[str, Any]) -> None:
        """A line of the bot's own."""
        bound = structlog.contextvars.get_contextvars()
        hidden = hide_secrets(None, "", structlog.processors.format_exc_info(None, "", {**bound, **event}))
        self._lines.write(json.dumps(hidden, default=str) + "\n")


@contextmanager
def overhearing() -> Iterator[Overheard]:
    """Keep what is logged in this process for as long as the block lasts, whatever else is done with it."""
    heard = Overheard()
    before = structlog.get_config()
    usual = before["wrapper_class"]

    class Listening(usual):  # type: ignore[misc, valid-type]
        def _proxy_to_logger(self, method_name: str, event: str | None = None, *args: Any, **fields: Any) -> Any:
            heard.take({**self._context, **fields, "event": event})
            return super()._proxy_to_logger(method_name, event, *args, **fields)

    root = logging.getLogger()
    # As the bot sets them up: these write payloads at lower levels.
    levels = {name: logging.getLogger(name).level for name in (*QUIET, "")}
    structlog.configure(wrapper_class=Listening)
    root.addHandler(heard)
    root.setLevel(logging.INFO if root.level > logging.INFO else root.level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield heard
    finally:
        root.removeHandler(heard)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        structlog.configure(wrapper_class=usual)


def _readings(line: str) -> Iterator[str]:
    """A line as it stands, and its texts as they were before they were written as JSON."""
    yield line
    try:
        entry = json.loads(line)
    except ValueError:
        return
    yield from _texts(entry)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _rows(words: list[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(IN_A_ROW)), strict=False)

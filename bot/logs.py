"""How the log looks: lines for people on a terminal, JSON elsewhere; never a key, a token or a message's text."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

# Tokens by their shape, wherever they stand: Slack's, Discord's, OpenAI's, and whatever follows an auth scheme.
_SECRETS = re.compile(
    r"xox[a-z]-[\w-]+|xoxe\.[\w.-]+|xapp-[\w-]+|\bsk-[\w-]{8,}"
    r"|[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}|(?<=Bearer )\S+|(?<=Bot )[\w.-]{20,}"
)
HIDDEN = "[hidden]"
# How many containers inside each other are searched; a log line has no use for more.
DEEPEST = 8
# Loggers of libraries that, at INFO or below, write payloads.
QUIET = ("slack_bolt", "slack_sdk", "discord", "openai", "httpx2", "httpcore2", "aiosqlite", "sqlalchemy", "alembic")


def configure(level: str, style: Literal["auto", "console", "json"]) -> None:
    """Set up structlog and the standard library's logging, once per process, to standard error."""
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Before the secrets are hidden, so that a stack's text is searched for them too.
        structlog.processors.format_exc_info,
    ]
    last = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            hide_secrets,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, hide_secrets],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: replaces whatever has a secret's shape, in any text of the event, however nested.

    What lies deeper than `DEEPEST` containers is hidden whole.
    """
    for key, value in event.items():
        event[key] = _without_secrets(value, DEEPEST)
    return event


def _without_secrets(value: Any, deeper: int) -> Any:
    match value:
        case str():
            return _SECRETS.sub(HIDDEN, value)
        case bytes() | bytearray():
            # Latin-1 maps every byte to one character and back, so the rest stays as it is.
            return _SECRETS.sub(HIDDEN, value.decode("latin-1")).encode("latin-1")
        case dict() | list() | tuple() | set() | frozenset() if deeper == 0:
            return HIDDEN
        case dict():
            return {_without_secrets(k, deeper - 1): _without_secrets(v, deeper - 1) for k, v in value.items()}
        case list() | set():
            return [_without_secrets(each, deeper - 1) for each in value]
        case tuple() | frozenset():
            return tuple(_without_secrets(each, deeper - 1) for each in value)
        case _:
            return value

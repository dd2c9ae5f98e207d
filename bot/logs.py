"""How the log looks: lines for people on a terminal, JSON elsewhere; never a key, a token or a message's text."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import threading
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Literal

import structlog

from bot.secret_shapes import HIDDEN, without_secrets

# Fields that are hidden whole, by what they are called: what opens something, and what somebody said.
_SECRET_FIELDS = re.compile(
    r"(?:^|[_-])(?:token|secret|password|passwd|authorization|api_?key|key|cookie|credentials?)$", re.IGNORECASE
)
_TEXT_FIELDS = re.compile(
    r"answers?|arguments?|blocks|content|input|messages|output|payload|prompt|questions?|said|system|text|title|topic"
    r"|values?",
    re.IGNORECASE,
)
# How many containers inside each other are searched; a log line has no use for more.
DEEPEST = 8
# Loggers of libraries that, at INFO or below, write payloads.
QUIET = ("slack_bolt", "slack_sdk", "discord", "openai", "httpx2", "httpcore2", "aiosqlite", "sqlalchemy", "alembic")


def configure(level: str, style: Literal["auto", "console", "json"]) -> None:
    """Set up structlog and the standard library's logging, once per process, to standard error.

    Warnings, and errors that nobody catches, go the same way, so that nothing gets past what hides secrets.
    """
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
    handler = _Handler(sys.stderr)
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
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _uncaught_in_thread


def loop_exception(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An event loop's handler of errors: says which there was. The loop's own writes out what it was busy with."""
    structlog.get_logger(__name__).error(
        "loop_error", what=str(context.get("message", "")), exc_info=context.get("exception") or False
    )


class _Handler(logging.StreamHandler[Any]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the base class names it)
        """A line can't be written: say so without its arguments, which the base class would print as they are."""
        kind = sys.exc_info()[0]
        sys.stderr.write(f"a line of {record.name} could not be logged: {kind.__name__ if kind else ''}\n")


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    structlog.get_logger(__name__).critical("uncaught", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        structlog.get_logger(__name__).critical(
            "uncaught", thread=args.thread.name if args.thread else "", exc_info=args.exc_value
        )


def _unraisable(args: Any) -> None:  # sys.UnraisableHookArgs has no name at run time
    structlog.get_logger(__name__).error("uncaught", where="a finalizer", exc_info=args.exc_value or False)


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: hides secrets and what people said, by the names of fields and by the shape of texts.

    What lies deeper than `DEEPEST` containers is hidden whole.
    """
    for name, value in event.items():
        event[name] = HIDDEN if _is_hidden(name, value) else _without_secrets(value, DEEPEST)
    return event


def _is_hidden(name: Any, value: Any) -> bool:
    """Whether a field is hidden for its name: a text's for whatever holds text, a secret's for all but nothing."""
    if not isinstance(name, str) or value is None or isinstance(value, bool) or value == HIDDEN:
        return False
    if _SECRET_FIELDS.search(name):
        return True
    return bool(_TEXT_FIELDS.fullmatch(name)) and not isinstance(value, int | float)


def _without_secrets(value: Any, deeper: int) -> Any:
    match value:
        case str():
            return without_secrets(value)
        case bytes() | bytearray():
            # Latin-1 maps every byte to one character and back, so the rest stays as it is.
            return without_secrets(value.decode("latin-1")).encode("latin-1")
        case dict() | list() | tuple() | set() | frozenset() if deeper == 0:
            return HIDDEN
        case dict():
            return {
                _without_secrets(k, deeper - 1): HIDDEN if _is_hidden(k, v) else _without_secrets(v, deeper - 1)
                for k, v in value.items()
            }
        case list() | set():
            return [_without_secrets(each, deeper - 1) for each in value]
        case tuple() | frozenset():
            return tuple(_without_secrets(each, deeper - 1) for each in value)
        case _:
            return value

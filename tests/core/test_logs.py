"""What never gets into a log, and how its lines look."""

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from bot import logs
from bot.secret_shapes import HIDDEN

SECRETS = [
    "xoxb-1234567890-abcdefGHIJ",
    "xoxe.xoxb-1-Mi0yLTEyMzQ1Njc4OTA",
    "xapp-1-A012345-6789-abcdef",
    "sk-proj-abcdef0123456789_-x",
    "MTE0NzYxMjk4MTIzNDU2Nzg5MA.GhIjKl.abcdefghijklmnopqrstuvwxyz0123456789AB",
]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    yield
    sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def written(
    monkeypatch: pytest.MonkeyPatch, style: Literal["auto", "console", "json"], *, failing: bool = False
) -> str:
    sink = io.StringIO()
    monkeypatch.setattr(sys, "stderr", sink)
    logs.configure("info", style)
    log = structlog.get_logger("test")
    for secret in SECRETS:
        log.info("event", value=f"before {secret} after")
        logging.getLogger("library").warning("it said %s", secret)
    log.info("header", value="Authorization: Bearer abc.def.ghi")
    if failing:
        try:
            int("broken xoxb-1234567890-abcdefGHIJ")
        except ValueError:
            log.exception("failed")
    return sink.getvalue()


@pytest.mark.parametrize("style", ["console", "json", "auto"])
def test_no_secret_is_written_in_any_style(
    monkeypatch: pytest.MonkeyPatch, style: Literal["auto", "console", "json"]
) -> None:
    text = written(monkeypatch, style)
    assert not [secret for secret in [*SECRETS, "abc.def.ghi"] if secret in text]
    assert text.count(HIDDEN) == 2 * len(SECRETS) + 1


def test_a_stack_in_a_json_log_hides_secrets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    last = json.loads(written(monkeypatch, "json", failing=True).splitlines()[-1])
    assert last["event"] == "failed" and "'broken [hidden]'" in last["exception"]


def test_a_stack_on_a_terminal_hides_secrets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    text = written(monkeypatch, "console", failing=True)
    assert "'broken [hidden]'" in text


def test_libraries_that_write_payloads_are_kept_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    logs.configure("debug", "json")
    assert not logging.getLogger("slack_sdk").isEnabledFor(logging.INFO)
    assert logging.getLogger("bot").isEnabledFor(logging.DEBUG)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_inside_containers_is_hidden_and_the_rest_stays(secret: str) -> None:
    event = {
        "event": "sent",
        "body": {"list": [1, f"a {secret} b", (secret, None)], secret: True},
        "raw": b"\xff a " + secret.encode() + b" b",
        "several": {secret},
    }
    hidden = logs.hide_secrets(None, "info", event)
    assert hidden == {
        "event": "sent",
        "body": {"list": [1, f"a {HIDDEN} b", (HIDDEN, None)], HIDDEN: True},
        "raw": b"\xff a " + HIDDEN.encode() + b" b",
        "several": [HIDDEN],
    }


def test_hiding_leaves_the_callers_own_containers_alone() -> None:
    body = {"token": SECRETS[0]}
    logs.hide_secrets(None, "info", {"event": "sent", "body": body})
    assert body == {"token": SECRETS[0]}


def test_a_container_that_holds_itself_is_hidden_where_it_gets_too_deep() -> None:
    endless: list[object] = [SECRETS[0]]
    endless.append(endless)
    hidden = logs.hide_secrets(None, "info", {"event": "sent", "body": endless})
    assert SECRETS[0] not in str(hidden)
    assert str(hidden).count(HIDDEN) == logs.DEEPEST + 1

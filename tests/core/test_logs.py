"""What never gets into a log, and how its lines look."""

import asyncio
import io
import json
import logging
import re
import sys
import threading
import warnings
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


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
        "key-0123456789abcdef0123456789abcdef",
        "gsk_0123456789abcdefABCDEF0123",
        "https://hook:pass-word@example.com/x",
        "Authorization: Basic dXNlcjpwYXNzd29yZA==",
        "authorization: bearer abc.def.ghi",
    ],
)
def test_other_makers_secrets_have_a_shape_too(secret: str) -> None:
    hidden = str(logs.hide_secrets(None, "info", {"event": f"before {secret} after"})["event"])
    assert hidden.startswith("before ") and HIDDEN in hidden
    assert not {secret[-12:], "pass-word", "dXNlcjpwYXNzd29yZA", "abc.def"} & set(re.split(r"[\s@/]", hidden))


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "bot_token",
        "key",
        "api_key",
        "openai-api-key",
        "client_secret",
        "Password",
        "Authorization",
        "text",
        "content",
        "prompt",
        "system",
        "messages",
        "payload",
        "value",
        "arguments",
        "question",
        "answer",
    ],
)
def test_a_field_is_hidden_for_its_name_however_deep(name: str) -> None:
    event = {"event": "sent", name: "plain words", "inside": [{name: {"more": "plain words"}}]}
    assert logs.hide_secrets(None, "info", event) == {"event": "sent", name: HIDDEN, "inside": [{name: HIDDEN}]}


def test_what_only_counts_or_names_is_shown() -> None:
    event = {
        "event": "caught_up",
        "messages": 12,
        "tokens": 900,
        "key_label": "research/key-1",
        "message": "1795686314.409233",
        "value": None,
        "token": None,
        "turn": "66e0b650e58a616842cf",
        "monkey": "a",
    }
    assert logs.hide_secrets(None, "info", dict(event)) == event


def _heard(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    sink = io.StringIO()
    monkeypatch.setattr(sys, "stderr", sink)
    logs.configure("info", "json")
    return sink


def test_an_error_that_nobody_catches_is_logged_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = _heard(monkeypatch)
    try:
        int(f"broken {SECRETS[0]}")
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=int, args=(f"broken {SECRETS[3]}",))
    thread.start()
    thread.join()
    lines = [json.loads(line) for line in sink.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["uncaught", "uncaught"]
    assert all("ValueError" in line["exception"] and HIDDEN in line["exception"] for line in lines)
    assert not [secret for secret in SECRETS if secret in sink.getvalue()]


def test_a_warning_is_logged_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = _heard(monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn(f"old {SECRETS[0]}", DeprecationWarning, stacklevel=1)
    assert "DeprecationWarning" in sink.getvalue() and HIDDEN in sink.getvalue() and SECRETS[0] not in sink.getvalue()


def test_a_line_that_can_not_be_written_does_not_show_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = _heard(monkeypatch)
    logging.getLogger("library").warning("%d of it", SECRETS[0])
    assert sink.getvalue() == "a line of library could not be logged: TypeError\n"


async def test_what_fails_in_the_event_loop_is_logged_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = _heard(monkeypatch)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.loop_exception)
    loop.call_soon(int, f"broken {SECRETS[0]}")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    [line] = [json.loads(line) for line in sink.getvalue().splitlines()]
    assert line["event"] == "loop_error" and "ValueError" in line["exception"]
    assert SECRETS[0] not in sink.getvalue()

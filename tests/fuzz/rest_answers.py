"""What a platform's REST interface may answer, sound at first and then spoiled, as faults for the emulators.

Left out is what is an order rather than an oddity: a refused token, and a rate limit of hours.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from emulators.faults import Fault
from tests.fuzz import discord_frames, slack_frames
from tests.fuzz.spoiling import JUNK, MARK, TEXTS, garbled, spoiled

SLACK_ERRORS = [
    *("channel_not_found", "not_in_channel", "is_archived", "message_not_found", "msg_too_long", "no_text"),
    *("internal_error", "fatal_error", "ratelimited", "invalid_arguments", "thread_not_found", "unknown_method", MARK),
]
DISCORD_CODES = [0, 10003, 10008, 10062, 30046, 40060, 50001, 50006, 50013, 50035, 160002, MARK, "x" * 5_000]
STATUSES = [200, 200, 200, 201, 204, 400, 403, 404, 409, 413, 418, 429, 500, 502, 503]
PAGE = f"<!DOCTYPE html><html><head><title>{MARK}</title></head><body>503 Service Unavailable</body></html>"
TYPES = [
    "application/json",
    "application/json; charset=utf-8",
    "text/html; charset=utf-16",
    "text/plain; charset=x-odd",
]
DEEP = b"[" * 100_000


def _bytes(sound: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    written = sound.map(json.dumps)
    return st.one_of(
        garbled(written).map(str.encode),
        written.map(lambda text: text.encode("utf-16")),
        TEXTS.map(lambda text: text.encode("latin-1", "replace")),
        st.binary(max_size=60),
        st.sampled_from([b"", b"\xff\xfe", b"null", PAGE.encode(), DEEP]),
    )


@st.composite
def _faults(draw: st.DrawFn, sound: st.SearchStrategy[Any], refusals: st.SearchStrategy[Any]) -> Fault:
    """One answer: what was to be said spoiled, a refusal spoiled, any JSON, or bytes; or a broken connection."""
    match draw(
        st.sampled_from(["sound", "sound", "sound", "refusal", "refusal", "junk", "bytes", "bytes", "reset", "lost"])
    ):
        case "reset":
            return Fault("reset")
        case "lost":
            return Fault("lost_reply")
        case "sound":
            return Fault(status=200, body=draw(spoiled(sound)))
        case "refusal":
            status = draw(st.sampled_from(STATUSES))
            return Fault(status=status, body=draw(spoiled(refusals)), headers={"Retry-After": "0.2"})
        case "junk":
            return Fault(status=draw(st.sampled_from(STATUSES)), body=draw(JUNK), headers={"Retry-After": "0"})
        case _:
            kind = draw(st.sampled_from(TYPES))
            headers = {"Content-Type": kind, "Retry-After": draw(st.sampled_from(["0.1", "-1", "soon", "nan", "1e-9"]))}
            return Fault(status=draw(st.sampled_from(STATUSES)), body=draw(_bytes(sound)), headers=headers)


def _slack_sound(scene: slack_frames.Scene, method: str) -> st.SearchStrategy[Any]:
    slack = scene.slack
    row = slack_frames.rows(scene)
    bodies: dict[str, st.SearchStrategy[Any]] = {
        "chat.postMessage": row.map(lambda m: {"channel": scene.storm.id, "ts": slack.new_ts(), "message": m}),
        "chat.update": row.map(lambda m: {"channel": scene.storm.id, "ts": slack.new_ts(), "text": MARK, "message": m}),
        "conversations.replies": st.lists(row, max_size=5).map(
            lambda rows: {"messages": rows, "has_more": True, "response_metadata": {"next_cursor": "x"}}
        ),
        "conversations.info": st.just({"channel": {"id": scene.storm.id, "name": MARK, "topic": {"value": MARK}}}),
        "users.info": st.just(
            {"user": {"id": scene.ada.id, "name": MARK, "is_admin": True, "profile": {"display_name": MARK}}}
        ),
        "apps.connections.open": st.just({"url": f"{slack.base_url}/link/?ticket=none"}),
    }
    return bodies.get(method, st.just({})).map(lambda body: {"ok": True, **body})


SLACK_METHODS = [
    *("chat.postMessage", "chat.postMessage", "chat.update", "conversations.replies", "conversations.replies"),
    *("conversations.info", "users.info", "assistant.threads.setStatus", "apps.connections.open"),
]


def to_slack(scene: slack_frames.Scene) -> st.SearchStrategy[tuple[str, Fault]]:
    """A method of the Web API, and the answer to the next call of it."""
    refusals = st.sampled_from(SLACK_ERRORS).map(lambda code: {"ok": False, "error": code, "needed": MARK})
    return st.sampled_from(SLACK_METHODS).flatmap(
        lambda method: st.tuples(st.just(method), _faults(_slack_sound(scene, method), refusals))
    )


MESSAGES = "/channels/{channel_id}/messages"
DISCORD_ROUTES = [
    *(f"POST {MESSAGES}", f"POST {MESSAGES}", f"PATCH {MESSAGES}/{{message_id}}", f"GET {MESSAGES}"),
    *(f"GET {MESSAGES}/{{message_id}}", "GET /channels/{channel_id}", "POST /channels/{channel_id}/typing"),
    "GET /gateway/bot",
]


def _discord_sound(scene: discord_frames.Scene, route: str) -> st.SearchStrategy[Any]:
    message = spoiled(discord_frames.sound_messages(scene, event=False), most=2)
    if route == f"GET {MESSAGES}":
        return st.lists(message, max_size=5)
    if MESSAGES in route:
        return message
    if route == "GET /gateway/bot":
        limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
        return st.just({"url": scene.discord.gateway_url, "shards": 1, "session_start_limit": limit})
    return st.just(discord_frames.thread(scene))


def to_discord(scene: discord_frames.Scene) -> st.SearchStrategy[tuple[str, Fault]]:
    """A route, and the answer to the next request to it."""
    refusals = st.sampled_from(DISCORD_CODES).map(
        lambda code: {
            "code": code,
            "message": MARK,
            "errors": {"content": {"_errors": [{"code": MARK, "message": MARK}]}},
        }
    )
    return st.sampled_from(DISCORD_ROUTES).flatmap(
        lambda route: st.tuples(st.just(route), _faults(_discord_sound(scene, route), refusals))
    )

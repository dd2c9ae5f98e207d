"""How a call's arguments are read: query, form, multipart or JSON, each checked against the method's own list.

The lists themselves stand beside the methods; what an argument means is decided there too.
"""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from emulators.slack.model import Json, SlackError

_TRUE, _FALSE = ("true", "1"), ("false", "0", "")


async def read(request: web.Request, *, json_input: bool) -> tuple[Json, list[str]]:
    """The raw arguments and the warnings Slack adds to the answer; raises SlackError for unreadable bodies."""
    arguments: Json = dict(request.query)
    warnings: list[str] = []
    body = await request.read()
    kind = request.content_type
    if not body or request.method == "GET":
        return arguments, warnings
    if kind == "application/json":
        if not json_input:
            raise SlackError("invalid_arguments", messages=("[ERROR] this method takes no JSON body",))
        try:
            sent = json.loads(body)
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(sent, dict):
            raise SlackError("json_not_object")
        if request.charset is None:
            warnings.append("missing_charset")
        arguments |= sent
    elif kind == "application/x-www-form-urlencoded":
        arguments |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    elif kind == "multipart/form-data":
        parts = form_parts(request.headers.get("Content-Type", ""), body)
        arguments |= {name: data.decode("utf-8", "replace") for name, file_name, data in parts if file_name is None}
    else:
        raise SlackError("invalid_post_type")
    return arguments, warnings


def form_parts(content_type: str, body: bytes) -> list[tuple[str, str | None, bytes]]:
    """The parts of a multipart form as (field, file name, bytes).

    The body has been read (and recorded) by now, so aiohttp's own reader, which wants the stream, cannot be asked.
    """
    whole = email.message_from_bytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP
    )
    parts: list[tuple[str, str | None, bytes]] = []
    for part in whole.iter_parts():
        data = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        parts.append((str(name), part.get_filename(), data if isinstance(data, bytes) else b""))
    return parts


def check(raw: Json, specification: Mapping[str, str]) -> tuple[Json, list[str]]:
    """Typed arguments and the names nobody knows.

    A specification is `type[?][!]`, the type one of str, ts, bool, int, list, json: `?` takes null for "not given", `!`
    is required. Raises invalid_arguments naming every argument that is missing or of the wrong type.
    """
    values: Json = {}
    wrong: list[str] = []
    unknown = [name for name in raw if name not in specification and name not in ("token", "team_id")]
    for name, rule in specification.items():
        kind, nullable, required = rule.rstrip("?!"), "?" in rule, "!" in rule
        value = raw.get(name)
        if name not in raw or (value is None and nullable):
            if required:
                wrong.append(f"[ERROR] missing required field: {name}")
            continue
        try:
            values[name] = _typed(kind, value)
        except (TypeError, ValueError):
            wrong.append(f"[ERROR] invalid value for {name}: must be a valid {kind} [json-pointer:/{name}]")
        else:
            if required and values[name] == "":
                wrong.append(f"[ERROR] missing required field: {name}")
    if wrong:
        raise SlackError("invalid_arguments", messages=tuple(wrong))
    return values, unknown


def _typed(kind: str, value: Any) -> Any:
    match kind:
        case "str" | "ts":
            return _string(value)
        case "bool":
            return _boolean(value)
        case "int":
            return _integer(value)
        case _:
            return _structure(kind, value)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in _TRUE:
        return True
    if str(value).lower() in _FALSE:
        return False
    raise ValueError(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(value)
    return int(value)


def _structure(kind: str, value: Any) -> Any:
    """A list or an object, as it is or as JSON text; other text stays, for the method to name the error."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value else None
        except ValueError:
            return value
    if kind == "list" and value is not None and not isinstance(value, list):
        raise ValueError(value)
    return value

"""The body of `POST /v1/chat/completions`, judged as OpenAI judges it, before any model is asked.

What a chat bot sends is checked in full. A documented parameter that this server does not act on is refused with
`emulator_unsupported`, so that nobody takes silence for support. The rules by model are in `rules.py`.
"""

from __future__ import annotations

import json
from typing import Any

from emulators.openai import checks
from emulators.openai.checks import Check, array, fields, missing, refuse, wrong_type, wrong_value
from emulators.openai.errors import Refused, bad_request

ROLES = ("system", "assistant", "user", "function", "tool", "developer")
NAME = checks.matching(r"^[^\s<|\\/>]+$", 64)
FUNCTION_NAME = checks.matching(r"^[a-zA-Z0-9_-]+$", 64)
IMAGE = {"url": checks.string, "detail": checks.one_of("low", "high", "auto", "original")}
NOT_SPOKEN = frozenset(
    ("audio", "functions", "function_call", "logit_bias", "moderation", "prediction", "web_search_options")
)


def _metadata(path: str, value: Any) -> None:
    checks.obj(path, value)
    for name, inner in value.items():
        checks.at_most(512)(f"{path}.{name}", inner)


def _stop(path: str, value: Any) -> None:
    if isinstance(value, str):
        return
    if not isinstance(value, list):
        raise wrong_type(path, "one of a string or array of strings", value)
    array(path, value, of="strings", most=4)
    for i, stop in enumerate(value):
        checks.string(f"{path}[{i}]", stop)


def _stream_options(path: str, value: Any) -> None:
    fields(path, value, {"include_usage": checks.boolean, "include_obfuscation": checks.boolean})


def _tools(path: str, value: Any) -> None:
    array(path, value, of="objects", most=128)
    known: dict[str, Check | None] = {
        "name": FUNCTION_NAME,
        "description": checks.string,
        "parameters": checks.obj,
        "strict": checks.boolean,
    }
    for i, tool in enumerate(value):
        here = f"{path}[{i}]"
        checked: dict[str, Check | None] = {"type": checks.one_of("function"), "function": None}
        fields(here, tool, checked, ("type", "function"))
        fields(f"{here}.function", tool["function"], known, ("name",))


def _tool_choice(path: str, value: Any) -> None:
    if isinstance(value, str):
        return checks.one_of("none", "auto", "required")(path, value)
    if not isinstance(value, dict):
        raise wrong_type(path, "one of a string or object", value)
    known: dict[str, Check | None] = {"type": checks.one_of("function"), "function": None}
    fields(path, value, known, ("type", "function"))
    return fields(f"{path}.function", value["function"], {"name": FUNCTION_NAME}, ("name",))


def _response_format(path: str, value: Any) -> None:
    checks.obj(path, value)
    if "type" not in value:
        raise missing(f"{path}.type")
    kinds = ("json_object", "json_schema", "text")
    checks.one_of(*kinds)(f"{path}.type", value["type"])
    if value["type"] != "text":
        raise unspoken(f"{path}.type")


def _modalities(path: str, value: Any) -> None:
    array(path, value, of="strings")
    if value != ["text"]:
        raise unspoken(path)


def _once(path: str, value: Any) -> None:
    checks.integer(1, 128)(path, value)
    if value != 1:
        raise unspoken(path)


def _no_logprobs(path: str, value: Any) -> None:
    checks.boolean(path, value)
    if value:
        raise unspoken(path)


PARAMETERS: dict[str, Check] = {
    "frequency_penalty": checks.decimal(-2, 2),
    "logprobs": _no_logprobs,
    "max_completion_tokens": checks.integer(1),
    "max_tokens": checks.integer(1),
    "metadata": _metadata,
    "modalities": _modalities,
    "n": _once,
    "parallel_tool_calls": checks.boolean,
    "presence_penalty": checks.decimal(-2, 2),
    "prompt_cache_key": checks.at_most(1024),
    "prompt_cache_options": checks.obj,
    "prompt_cache_retention": checks.one_of("in_memory", "24h"),
    "reasoning_effort": checks.one_of("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    "response_format": _response_format,
    "safety_identifier": checks.at_most(64),
    "seed": checks.integer(-(2**63), 2**63 - 1),
    "service_tier": checks.one_of("auto", "default", "flex", "scale", "priority", "fast"),
    "stop": _stop,
    "store": checks.boolean,
    "stream": checks.boolean,
    "stream_options": _stream_options,
    "temperature": checks.decimal(0, 2),
    "tool_choice": _tool_choice,
    "tools": _tools,
    "top_logprobs": checks.integer(0, 20),
    "top_p": checks.decimal(0, 1),
    "user": checks.string,
    "verbosity": checks.one_of("low", "medium", "high"),
}


def unspoken(param: str) -> Refused:
    """A refusal no real server gives: OpenAI takes this, the emulator does not act on it and says so."""
    message = f"The emulated OpenAI does not act on '{param}'; teach it before relying on it."
    return refuse(message, param, "emulator_unsupported")


def parse(raw: bytes, content_type: str) -> dict[str, Any]:
    """The body as a JSON object; raises `Refused` for another type of content or no such JSON."""
    if content_type != "application/json":
        shown = content_type or "none"
        message = f"Unsupported content type: '{shown}'. This API method only accepts 'application/json' requests."
        raise refuse(message, code="unsupported_content_type")
    try:
        body = json.loads(raw, parse_constant=_no_constant)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(
            bad_request(
                "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
                "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If "
                "you have trouble figuring out how to fix this, please contact us through our help center at "
                "help.openai.com.)"
            )
        )
    return body


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def check_body(body: dict[str, Any]) -> None:
    """Raise `Refused` with OpenAI's 400 for the first thing that is wrong with the body of a request."""
    model = body.get("model")
    if model is None or model == "":
        raise refuse("you must provide a model parameter")
    checks.string("model", model)
    unknown = [name for name in body if name not in PARAMETERS and name not in NOT_SPOKEN | {"model", "messages"}]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise refuse(f"Unrecognized request argument{plural} supplied: {', '.join(unknown)}")
    if body.get("messages") is None:
        raise missing("messages")
    for name, value in body.items():
        if value is None or name in ("model", "messages"):
            continue
        if name in NOT_SPOKEN:
            raise unspoken(name)
        PARAMETERS[name](name, value)
    _messages(body["messages"])
    _combinations(body)


def _combinations(body: dict[str, Any]) -> None:
    def given(name: str) -> bool:
        return body.get(name) is not None

    if given("max_tokens") and given("max_completion_tokens"):
        message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        raise refuse(message, "max_tokens", "invalid_parameter_combination")
    if given("stream_options") and not body.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise refuse(message, "stream_options")
    for name in ("tool_choice", "parallel_tool_calls"):
        if given(name) and not given("tools"):
            raise refuse(f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.", name)
    if given("top_logprobs"):
        raise refuse("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", "top_logprobs")
    if given("metadata") and not body.get("store"):
        raise refuse("The 'metadata' parameter is only allowed when 'store' is enabled.", "metadata")
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        name = choice["function"]["name"]
        if name not in [tool["function"]["name"] for tool in body["tools"]]:
            raise refuse(f"Tool choice '{name}' not found in 'tools' parameter.", "tool_choice", "invalid_value")


# ---- messages


def _messages(messages: Any) -> None:
    array("messages", messages, of="objects")
    for i, message in enumerate(messages):
        _message(f"messages[{i}]", message)
    _tool_answers(messages)


def _message(path: str, message: Any) -> None:
    checks.obj(path, message)
    role = message.get("role")
    if role is None:
        raise missing(f"{path}.role")
    checks.string(f"{path}.role", role)
    if role not in ROLES:
        raise wrong_value(f"{path}.role", role, ROLES)
    if role == "function":
        raise unspoken(f"{path}.role")
    known: dict[str, Check | None] = {"role": None, "content": None}
    if role == "tool":
        known["tool_call_id"] = checks.string
    else:
        known["name"] = NAME
    if role == "assistant":
        known |= {"tool_calls": _tool_calls, "refusal": checks.string}
    fields(path, message, known, ("tool_call_id",) if role == "tool" else ())
    _content(f"{path}.content", role, message)


def _content(path: str, role: str, message: dict[str, Any]) -> None:
    content = message.get("content")
    if content is None:
        if role == "assistant" and (message.get("tool_calls") or message.get("refusal")):
            return
        if "content" not in message:
            raise missing(path)
        message_text = f"Invalid value for 'content': expected a string, got null. (path: {path})"
        raise refuse(message_text, path)
    if isinstance(content, str):
        checks.at_most(10_485_760)(path, content)
        return
    if not isinstance(content, list):
        raise wrong_type(path, "one of a string or array of objects", content)
    array(path, content, of="objects")
    kinds = {"user": ("text", "image_url"), "assistant": ("text", "refusal")}.get(role, ("text",))
    for i, part in enumerate(content):
        here = f"{path}[{i}]"
        checks.obj(here, part)
        if "type" not in part:
            raise missing(f"{here}.type")
        checks.one_of(*kinds)(f"{here}.type", part["type"])
        if part["type"] == "image_url":
            fields(here, part, {"type": None, "image_url": None}, ("image_url",))
            fields(f"{here}.image_url", part["image_url"], IMAGE, ("url",))
        else:
            kind = part["type"]
            fields(here, part, {"type": None, kind: checks.string}, (kind,))


def _tool_calls(path: str, value: Any) -> None:
    array(path, value, of="objects")
    for i, call in enumerate(value):
        here = f"{path}[{i}]"
        known: dict[str, Check | None] = {"id": checks.string, "type": checks.one_of("function"), "function": None}
        fields(here, call, known, ("id", "type", "function"))
        called: dict[str, Check | None] = {"name": FUNCTION_NAME, "arguments": checks.string}
        fields(f"{here}.function", call["function"], called, ("name", "arguments"))


def _tool_answers(messages: list[dict[str, Any]]) -> None:
    open_calls: list[str] = []
    for i, message in enumerate([*messages, {"role": "end"}]):
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                raise refuse(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    f"messages.[{i}].role",
                )
            open_calls.remove(message["tool_call_id"])
        elif open_calls:
            raise refuse(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(open_calls)}",
                f"messages.[{i}].role",
            )
        else:
            open_calls = [call["id"] for call in message.get("tool_calls") or ()]

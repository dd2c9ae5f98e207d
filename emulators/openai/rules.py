"""What one model refuses of an otherwise valid request: parameters, values, and the size of its context window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emulators.openai import errors
from emulators.openai.checks import refuse
from emulators.openai.errors import Refused
from emulators.openai.models import Model

DEFAULTS = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0}


def check_model(body: Mapping[str, Any], model: Model) -> None:
    """Raise `Refused` for what this model does not take.

    Reasoning models refuse `max_tokens`, `stop` and every sampling parameter that is not at its default; those that can
    do without reasoning take `temperature` and `top_p` while they do. The others refuse `reasoning_effort` and any
    verbosity but "medium". Text-only models refuse images.
    """
    if not model.sees:
        _check_text_only(body["messages"])
    given = {name: value for name, value in body.items() if value is not None}
    if model.reasons:
        _check_reasoning(given, model)
    else:
        if "reasoning_effort" in given:
            raise refuse("Unrecognized request argument supplied: reasoning_effort")
        if given.get("verbosity", "medium") != "medium":
            allowed = "Supported values are: 'medium'."
            raise Refused(errors.unsupported_value("verbosity", given["verbosity"], allowed=allowed))
    for name in ("max_tokens", "max_completion_tokens"):
        most = model.max_output
        if most is not None and given.get(name, 0) > most:
            raise refuse(
                f"{name} is too large: {given[name]}. This model supports at most {most} completion tokens, "
                f"whereas you provided {given[name]}.",
                name,
                "invalid_value",
            )


def _check_text_only(messages: Sequence[Mapping[str, Any]]) -> None:
    for i, message in enumerate(messages):
        parts = message.get("content")
        for j, part in enumerate(parts if isinstance(parts, list) else ()):
            if part["type"] == "image_url":
                raise Refused(errors.no_images(f"messages.[{i}].content.[{j}].type"))


def _check_reasoning(given: Mapping[str, Any], model: Model) -> None:
    if "max_tokens" in given:
        raise Refused(errors.unsupported_parameter("max_tokens", instead="max_completion_tokens"))
    varies = given.get("reasoning_effort", model.efforts[0]) == "none"
    if given.get("temperature", 1) != 1 and not varies:
        raise Refused(errors.unsupported_value("temperature", given["temperature"]))
    for name, default in DEFAULTS.items():
        if name in ("temperature", "top_p") and varies:
            continue
        if given.get(name, default) != default:
            raise Refused(errors.unsupported_parameter(name))
    if "stop" in given:
        raise Refused(errors.unsupported_parameter("stop"))
    effort = given.get("reasoning_effort")
    if effort is not None and effort not in model.efforts:
        names = ", ".join(f"'{name}'" for name in model.efforts)
        allowed = f"Supported values are: {names}."
        raise Refused(errors.unsupported_value("reasoning_effort", effort, allowed=allowed))


def check_window(model: Model, prompt: int, completion: int) -> None:
    """Raise `Refused` (`context_length_exceeded`) where a prompt and the completion asked for do not fit; in tokens."""
    if model.input_limit < model.window and prompt > model.input_limit:
        raise Refused(errors.input_limit_exceeded(model.input_limit, prompt))
    if prompt + completion > model.window:
        raise Refused(errors.context_length_exceeded(model.window, prompt, completion))

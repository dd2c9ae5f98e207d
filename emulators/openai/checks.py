"""Single checks of a JSON value, each refusing with OpenAI's own words, code and parameter path.

Which parameter gets which check stands in `validation.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from emulators.openai.errors import Refused, bad_request

Check = Callable[[str, Any], None]


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def refuse(message: str, param: str | None = None, code: str | None = None) -> Refused:
    """A 400 `invalid_request_error`, to be raised."""
    return Refused(bad_request(message, param=param, code=code))


def wrong_type(path: str, expected: str, value: Any) -> Refused:
    """400 `invalid_type`."""
    message = f"Invalid type for '{path}': expected {expected}, but got {_kind(value)} instead."
    return refuse(message, path, "invalid_type")


def wrong_value(path: str, value: Any, allowed: Collection[str]) -> Refused:
    """400 `invalid_value` with the list of values that would do."""
    *first, last = [f"'{name}'" for name in allowed]
    names = f"{', '.join(first)}, and {last}" if len(first) > 1 else " and ".join([*first, last])
    return refuse(f"Invalid value: '{value}'. Supported values are: {names}.", path, "invalid_value")


def missing(path: str) -> Refused:
    """400 `missing_required_parameter`."""
    return refuse(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")


def unknown(path: str) -> Refused:
    """400 `unknown_parameter`, for what is inside an object."""
    return refuse(f"Unknown parameter: '{path}'.", path, "unknown_parameter")


def boolean(path: str, value: Any) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong_type(path, "a boolean", value)


def string(path: str, value: Any) -> None:
    """Any text."""
    if not isinstance(value, str):
        raise wrong_type(path, "a string", value)


def obj(path: str, value: Any) -> None:
    """A JSON object."""
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)


def integer(low: int | None = None, high: int | None = None) -> Check:
    """A whole number between `low` and `high`, both included."""

    def check(path: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(path, "an integer", value)
        _bounds(path, value, "integer", low, high)

    return check


def decimal(low: float, high: float) -> Check:
    """A number between `low` and `high`, both included."""

    def check(path: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong_type(path, "a decimal", value)
        _bounds(path, value, "decimal", low, high)

    return check


def _bounds(path: str, value: float, kind: str, low: float | None, high: float | None) -> None:
    if low is not None and value < low:
        side, sign, bound = "below minimum", ">=", low
    elif high is not None and value > high:
        side, sign, bound = "above maximum", "<=", high
    else:
        return
    message = f"Invalid '{path}': {kind} {side} value. Expected a value {sign} {bound:g}, but got {value} instead."
    raise refuse(
        message, path, f"{kind}_{side.replace(' ', '_').replace('minimum', 'min').replace('maximum', 'max')}_value"
    )


def one_of(*allowed: str) -> Check:
    """One of these texts."""

    def check(path: str, value: Any) -> None:
        string(path, value)
        if value not in allowed:
            raise wrong_value(path, value, allowed)

    return check


def matching(pattern: str, longest: int) -> Check:
    """A text of a pattern, `longest` characters at most."""

    def check(path: str, value: Any) -> None:
        string(path, value)
        at_most(longest)(path, value)
        if not re.search(pattern, value):
            raise refuse(
                f"Invalid '{path}': string does not match pattern. "
                f"Expected a string that matches the pattern '{pattern}'.",
                path,
                "invalid_value",
            )

    return check


def at_most(longest: int) -> Check:
    """A text of `longest` characters at most."""

    def check(path: str, value: Any) -> None:
        string(path, value)
        if len(value) > longest:
            raise refuse(
                f"Invalid '{path}': string too long. Expected a string with maximum length {longest}, "
                f"but got a string with length {len(value)} instead.",
                path,
                "string_above_max_length",
            )

    return check


def array(path: str, value: Any, *, of: str = "", most: int | None = None) -> None:
    """A list that is not empty, of `most` elements at most."""
    if not isinstance(value, list):
        raise wrong_type(path, f"an array of {of}" if of else "an array", value)
    if not value:
        raise refuse(
            f"Invalid '{path}': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            path,
            "empty_array",
        )
    if most is not None and len(value) > most:
        raise refuse(
            f"Invalid '{path}': array too long. Expected an array with maximum length {most}, "
            f"but got an array with length {len(value)} instead.",
            path,
            "array_above_max_length",
        )


def fields(path: str, value: Any, known: Mapping[str, Check | None], required: Collection[str] = ()) -> None:
    """An object with these fields alone; a check of None takes any value; null counts as not given."""
    obj(path, value)
    for name in required:
        if name not in value:
            raise missing(f"{path}.{name}")
    for name, inner in value.items():
        if name not in known:
            raise unknown(f"{path}.{name}")
        check = known[name]
        if check is not None and (inner is not None or name in required):
            check(f"{path}.{name}", inner)

"""Forms: what the data of a modal must look like, and how one comes back once somebody has filled it.

Limits are those of the component reference: action row, label, text input and text display. Selects and uploads within
labels are not emulated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulators.discord.errors import FormErrors
from emulators.discord.payloads import JSON
from emulators.discord.validation import walk

ROW, TEXT_INPUT, TEXT_DISPLAY, LABEL = 1, 4, 10, 18
SHORT, PARAGRAPH = 1, 2
LONGEST = 4_000
INPUT_FIELDS = {
    "type",
    "id",
    "custom_id",
    "style",
    "label",
    "min_length",
    "max_length",
    "required",
    "value",
    "placeholder",
}


def check_modal(data: dict[str, Any]) -> JSON:
    """A modal has a custom_id (1 to 100), a title (1 to 45) and 1 to 5 components. Raises 50035."""
    errors = FormErrors()
    for key, limit in (("custom_id", 100), ("title", 45)):
        check_text(data.get(key), key, 1, limit, errors)
    for key in data.keys() - {"custom_id", "title", "components"}:
        errors.add(key, "MODAL_FIELD_UNKNOWN", "A modal has no such field")
    components = data.get("components")
    if not isinstance(components, list) or not 1 <= len(components) <= 5:
        errors.bad_length("components", 1, 5)
        errors.check()
        return data
    seen: list[str] = []
    for index, component in enumerate(components):
        _check_component(component, f"components.{index}", seen, errors)
    errors.check()
    number(components)
    return data


def number(components: list[dict[str, Any]]) -> None:
    """Give every component the `id` Discord gives it."""
    for count, component in enumerate(walk(components), 1):
        component.setdefault("id", count)


def check_text(value: Any, path: str, low: int, high: int, errors: FormErrors) -> None:
    """A string between `low` and `high` characters."""
    if not isinstance(value, str):
        errors.required(path)
    elif not low <= len(value) <= high:
        errors.bad_length(path, low, high)


def _check_component(component: Any, path: str, seen: list[str], errors: FormErrors) -> None:
    kind = component.get("type") if isinstance(component, dict) else None
    if kind == ROW:
        inside = component.get("components")
        if not isinstance(inside, list) or len(inside) != 1:
            errors.bad_length(f"{path}.components", 1, 1)
            return
        _check_input(inside[0], f"{path}.components.0", seen, errors, labelled=False)
    elif kind == LABEL:
        check_text(component.get("label"), f"{path}.label", 1, 45, errors)
        if component.get("description") is not None:
            check_text(component["description"], f"{path}.description", 1, 100, errors)
        _check_input(component.get("component"), f"{path}.component", seen, errors, labelled=True)
    elif kind == TEXT_DISPLAY:
        check_text(component.get("content"), f"{path}.content", 1, LONGEST, errors)
    else:
        errors.choice(f"{path}.type", kind, (ROW, TEXT_DISPLAY, LABEL))


def _check_input(item: Any, path: str, seen: list[str], errors: FormErrors, *, labelled: bool) -> None:
    """A text input, whose label stands on it in a row and around it in a label component."""
    if not isinstance(item, dict) or item.get("type") != TEXT_INPUT:
        errors.choice(f"{path}.type", item.get("type") if isinstance(item, dict) else item, (TEXT_INPUT,))
        return
    for name in item.keys() - INPUT_FIELDS:
        errors.add(f"{path}.{name}", "TEXT_INPUT_FIELD_UNKNOWN", "A text input has no such field")
    check_text(item.get("custom_id"), f"{path}.custom_id", 1, 100, errors)
    if item.get("custom_id") in seen:
        errors.add(f"{path}.custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
    seen.append(str(item.get("custom_id")))
    if item.get("style") not in {SHORT, PARAGRAPH}:
        errors.choice(f"{path}.style", item.get("style"), (SHORT, PARAGRAPH))
    if labelled and item.get("label") is not None:
        errors.add(f"{path}.label", "TEXT_INPUT_LABEL_IN_LABEL", "The label stands on the label component")
    elif not labelled:
        check_text(item.get("label"), f"{path}.label", 1, 45, errors)
    if item.get("placeholder") is not None:
        check_text(item["placeholder"], f"{path}.placeholder", 0, 100, errors)
    if item.get("required") is not None and not isinstance(item["required"], bool):
        errors.add(f"{path}.required", "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")
    low, high = _check_bound(item, "min_length", path, 0, errors), _check_bound(item, "max_length", path, 1, errors)
    if low is not None and high is not None and low > high:
        errors.add(f"{path}.min_length", "TEXT_INPUT_MIN_LENGTH_ABOVE_MAX", "Must not be above max_length")
    if item.get("value") is not None:
        check_text(item["value"], f"{path}.value", low or 0, high or LONGEST, errors)


def _check_bound(item: dict[str, Any], name: str, path: str, least: int, errors: FormErrors) -> int | None:
    value = item.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LONGEST:
        errors.add(f"{path}.{name}", "NUMBER_TYPE_MAX", f"int value should be between {least} and {LONGEST}.")
        return None
    return value


def filled(component: JSON, values: Mapping[str, str]) -> JSON:
    """A component as it comes back, `values` by custom_id; an untouched input keeps what stood in it.

    The real client sends nothing that breaks an input's own rules: that fails an assertion here.
    """
    if component["type"] == TEXT_INPUT:
        custom_id = component["custom_id"]
        value = values.get(custom_id, component.get("value") or "")
        assert value or not component.get("required", True), f"{custom_id} is required"
        assert len(value) <= component.get("max_length", LONGEST), f"{custom_id} is too long"
        assert not value or len(value) >= component.get("min_length", 0), f"{custom_id} is too short"
        assert component["style"] == PARAGRAPH or "\n" not in value, f"{custom_id} is one line"
        return {"type": TEXT_INPUT, "id": component["id"], "custom_id": custom_id, "value": value}
    answer: JSON = {"type": component["type"], "id": component["id"]}
    if component["type"] == LABEL:
        return {**answer, "component": filled(component["component"], values)}
    if component["type"] == ROW:
        return {**answer, "components": [filled(inside, values) for inside in component["components"]]}
    return answer

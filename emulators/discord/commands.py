"""Application commands: what a registration must look like, the registry, and its REST calls.

Invoking a command is `invocations.py`'s business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from emulators.discord.errors import UNKNOWN_COMMAND, UNKNOWN_GUILD, FormErrors, fail, form_error
from emulators.discord.payloads import JSON
from emulators.discord.rest import Call, Handler, answer, nothing
from emulators.discord.state import World

NAME = re.compile(r"[-_'\w]{1,32}")
SUBCOMMAND, GROUP = 1, 2
CHOOSABLE: dict[int, tuple[type, ...]] = {3: (str,), 4: (int,), 10: (int, float)}
"""The types of options that may have choices or autocomplete, and what such a choice's value is."""
FIELDS = {
    "id",
    "application_id",
    "version",
    "guild_id",
    "type",
    "name",
    "name_localizations",
    "description",
    "description_localizations",
    "options",
    "default_member_permissions",
    "dm_permission",
    "default_permission",
    "contexts",
    "integration_types",
    "nsfw",
}


@dataclass(slots=True)
class Commands:
    """The registered commands: `None` for the global ones, else by guild. `syncs` counts whole replacements."""

    world: World
    application_id: int
    by_scope: dict[int | None, dict[str, JSON]] = field(default_factory=dict)
    syncs: int = 0

    def scope(self, guild_id: int | None) -> dict[str, JSON]:
        """The commands of a scope by name."""
        return self.by_scope.setdefault(guild_id, {})

    def find(self, name: str, guild_id: int | None) -> JSON | None:
        """The command a user of that guild (None: a DM) gets for `name`."""
        if guild_id is not None and name in self.scope(guild_id):
            return self.scope(guild_id)[name]
        return self.scope(None).get(name)

    def put(self, guild_id: int | None, body: dict[str, Any]) -> JSON:
        """Register one command; one of the same name keeps its id."""
        old = self.scope(guild_id).get(body["name"])
        stored: JSON = {
            "id": old["id"] if old else str(self.world.snowflake()),
            "application_id": str(self.application_id),
            "version": str(self.world.snowflake()),
            "type": body.get("type") or 1,
            "name": body["name"],
            "name_localizations": body.get("name_localizations"),
            "description": body.get("description", ""),
            "description_localizations": body.get("description_localizations"),
            "default_member_permissions": body.get("default_member_permissions"),
            "dm_permission": body.get("dm_permission", True),
            "contexts": body.get("contexts"),
            "integration_types": body.get("integration_types") or [0],
            "nsfw": bool(body.get("nsfw")),
        }
        if body.get("options"):
            stored["options"] = body["options"]
        if guild_id is not None:
            stored["guild_id"] = str(guild_id)
        self.scope(guild_id)[stored["name"]] = stored
        return stored


def check_command(body: Any, path: str, errors: FormErrors) -> None:
    """Note what is wrong with one command: name, description, options, 8,000 characters in all."""
    if not isinstance(body, dict):
        errors.add(path.rstrip("."), "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
        return
    check_name(body.get("name"), f"{path}name", errors, lower=body.get("type", 1) == 1)
    if body.get("type", 1) == 1:
        check_description(body.get("description"), f"{path}description", errors)
    elif body.get("description"):
        errors.add(f"{path}description", "APPLICATION_COMMAND_DESCRIPTION_UNEXPECTED", "Only for chat commands")
    check_contexts(body, path, errors)
    check_options(body.get("options") or [], f"{path}options", errors, depth=0)
    if not errors and size(body) > 8_000:
        errors.add(path.rstrip("."), "APPLICATION_COMMAND_TOO_LARGE", "Command exceeds maximum size (8000)")


def size(node: dict[str, Any]) -> int:
    """The characters Discord counts: names, descriptions and values of choices, at every depth."""
    total = len(str(node.get("name", ""))) + len(str(node.get("description", "")))
    total += sum(len(str(c.get("name", ""))) + len(str(c.get("value", ""))) for c in node.get("choices") or [])
    return total + sum(size(option) for option in node.get("options") or [])


def check_name(name: Any, path: str, errors: FormErrors, *, lower: bool = True) -> None:
    """1 to 32 word characters, lower case for chat commands and options."""
    if not isinstance(name, str):
        errors.required(path)
    elif lower and (not NAME.fullmatch(name) or name != name.lower()):
        errors.add(path, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
    elif not 1 <= len(name) <= 32:
        errors.bad_length(path, 1, 32)


def check_description(text: Any, path: str, errors: FormErrors) -> None:
    """1 to 100 characters."""
    if not isinstance(text, str):
        errors.required(path)
    elif not 1 <= len(text) <= 100:
        errors.bad_length(path, 1, 100)


def check_options(options: Any, path: str, errors: FormErrors, *, depth: int) -> None:
    """At most 25 options with names of their own, required ones first, subcommands not beside values."""
    if not isinstance(options, list) or not all(isinstance(option, dict) for option in options):
        errors.add(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        return
    if len(options) > 25:
        errors.add(path, "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    names = [option.get("name") for option in options]
    if any(names.count(name) > 1 for name in names):
        errors.add(path, "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", "Option name already exists")
    optional_seen = False
    for index, option in enumerate(options):
        where = f"{path}.{index}"
        kind = option.get("type")
        check_name(option.get("name"), f"{where}.name", errors)
        check_description(option.get("description"), f"{where}.description", errors)
        if isinstance(kind, bool) or kind not in range(1, 12):
            errors.choice(f"{where}.type", kind, "(1..11)")
            continue
        nested = kind in {SUBCOMMAND, GROUP}
        if nested and (depth > 1 or (kind == GROUP and depth > 0)):
            errors.add(f"{where}.type", "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Sub-command cannot be nested here")
        if nested != (options[0].get("type") in {SUBCOMMAND, GROUP}):
            errors.add(
                f"{where}.type", "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Sub-command and options cannot mix"
            )
        if option.get("required") and optional_seen:
            errors.add(
                where,
                "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
                "Required options must be placed before non-required options",
            )
        optional_seen = optional_seen or not option.get("required")
        check_offered(option, where, errors)
        if nested:
            check_options(option.get("options") or [], f"{where}.options", errors, depth=depth + 1)
        elif option.get("options"):
            errors.add(f"{where}.options", "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Only subcommands have options")


def check_offered(option: dict[str, Any], path: str, errors: FormErrors) -> None:
    """Choices and autocomplete: for texts and numbers alone, never both; 25 choices with names of their own."""
    choices, autocomplete = option.get("choices") or [], option.get("autocomplete")
    if autocomplete is not None and not isinstance(autocomplete, bool):
        errors.add(f"{path}.autocomplete", "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")
    if option["type"] not in CHOOSABLE:
        if choices or autocomplete:
            errors.add(path, "APPLICATION_COMMAND_OPTIONS_CHOICES_INVALID", "This option type has no choices")
        return
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        errors.add(f"{path}.choices", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        return
    if len(choices) > 25:
        errors.add(f"{path}.choices", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    if choices and autocomplete:
        errors.add(
            path, "APPLICATION_COMMAND_OPTIONS_CHOICES_AUTOCOMPLETE", "Choices and autocomplete exclude each other"
        )
    check_choices(choices, f"{path}.choices", errors, CHOOSABLE[option["type"]])


def check_choices(choices: list[Any], path: str, errors: FormErrors, kinds: tuple[type, ...]) -> None:
    """Names of 1 to 100 characters, each once, and values of one of the `kinds`: texts of at most 100 characters."""
    names = [choice.get("name") for choice in choices]
    for index, choice in enumerate(choices):
        name, value = choice.get("name"), choice.get("value")
        if not isinstance(name, str):
            errors.required(f"{path}.{index}.name")
        elif not 1 <= len(name) <= 100:
            errors.bad_length(f"{path}.{index}.name", 1, 100)
        elif names.index(name) < index:
            errors.add(
                f"{path}.{index}.name",
                "APPLICATION_COMMAND_OPTIONS_CHOICE_NAME_ALREADY_EXISTS",
                "Option choice name already exists",
            )
        if value is None:
            errors.required(f"{path}.{index}.value")
        elif isinstance(value, bool) or not isinstance(value, kinds):
            errors.add(f"{path}.{index}.value", "APPLICATION_COMMAND_OPTIONS_CHOICE_TYPE", "Not of the option's type")
        elif isinstance(value, str) and len(value) > 100:
            errors.too_long(f"{path}.{index}.value", 100)


def check_contexts(body: dict[str, Any], path: str, errors: FormErrors) -> None:
    """Where a command may be used and for whom it is installed: known numbers, each once, at least one."""
    for name, known in (("contexts", {0, 1, 2}), ("integration_types", {0, 1})):
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, list) or not value or not all(isinstance(each, int) for each in value):
            errors.add(f"{path}{name}", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        elif not set(value) <= known:
            errors.choice(f"{path}{name}", value, sorted(known))
        elif len(set(value)) != len(value):
            errors.add(f"{path}{name}", "SET_TYPE_ALREADY_CONTAINS_VALUE", "The set already contains this value")


def scope_of(call: Call) -> int | None:
    """The guild of the path, or None for global commands; the application must be the bot's own."""
    if call.snowflake("application_id") != call.server.application_id:
        raise fail((404, 10002, "Unknown Application"))
    if "guild_id" not in call.request.match_info:
        return None
    guild_id = call.snowflake("guild_id")
    if guild_id not in call.server.world.guilds:
        raise fail(UNKNOWN_GUILD)
    return guild_id


def one(call: Call) -> JSON:
    """The command of the path, or 10063."""
    wanted = str(call.snowflake("command_id"))
    found = [c for c in call.server.registry.scope(scope_of(call)).values() if c["id"] == wanted]
    if not found:
        raise fail(UNKNOWN_COMMAND)
    return found[0]


async def listing(call: Call) -> web.Response:
    """GET …/commands."""
    return answer(list(call.server.registry.scope(scope_of(call)).values()))


async def replace(call: Call) -> web.Response:
    """PUT …/commands: the list given is all there is from now on."""
    scope = scope_of(call)
    if not isinstance(call.body, list):
        raise form_error("", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
    errors = FormErrors()
    if len(call.body) > 100:
        errors.add("", "BASE_TYPE_MAX_LENGTH", "Must be 100 or fewer in length.")
    for index, body in enumerate(call.body):
        check_command(body, f"{index}.", errors)
    errors.check()
    names = [(body.get("type", 1), body["name"]) for body in call.body]
    if len(set(names)) != len(names):
        raise form_error("", "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique")
    for body in call.body:
        call.unknown_fields(FIELDS, body)
    kept = [call.server.registry.put(scope, body) for body in call.body]
    call.server.registry.by_scope[scope] = {command["name"]: command for command in kept}
    call.server.registry.syncs += 1
    return answer(kept)


async def add(call: Call) -> web.Response:
    """POST …/commands: 201 for a new name, 200 for a replaced one."""
    scope = scope_of(call)
    errors = FormErrors()
    check_command(call.body, "", errors)
    errors.check()
    body = call.object()
    call.unknown_fields(FIELDS, body)
    new = body["name"] not in call.server.registry.scope(scope)
    return answer(call.server.registry.put(scope, body), 201 if new else 200)


async def read(call: Call) -> web.Response:
    """GET …/commands/{command_id}."""
    return answer(one(call))


async def change(call: Call) -> web.Response:
    """PATCH …/commands/{command_id}."""
    old = one(call)
    body = {**old, **call.object()}
    errors = FormErrors()
    check_command(body, "", errors)
    errors.check()
    scope = call.server.registry.scope(scope_of(call))
    scope[body["name"]] = scope.pop(old["name"])
    return answer(call.server.registry.put(scope_of(call), body))


async def delete(call: Call) -> web.Response:
    """DELETE …/commands/{command_id}."""
    command = one(call)
    del call.server.registry.scope(scope_of(call))[command["name"]]
    return nothing()


TABLE: list[tuple[str, str, Handler]] = [
    (method, base + tail, handler)
    for base in ("/applications/{application_id}", "/applications/{application_id}/guilds/{guild_id}")
    for method, tail, handler in (
        ("GET", "/commands", listing),
        ("PUT", "/commands", replace),
        ("POST", "/commands", add),
        ("GET", "/commands/{command_id}", read),
        ("PATCH", "/commands/{command_id}", change),
        ("DELETE", "/commands/{command_id}", delete),
    )
]

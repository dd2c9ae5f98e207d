"""What the emulated Discord takes for well formed: components, embeds, commands and mentions, by tables."""

from __future__ import annotations

from typing import Any

import pytest

from emulators.discord.commands import check_command
from emulators.discord.errors import DiscordError, FormErrors
from emulators.discord.mentions import addressed, check_allowed_mentions
from emulators.discord.modals import check_modal
from emulators.discord.state import Role, Upload, User, World
from emulators.discord.validation import check_message


def button(**more: Any) -> dict[str, Any]:
    """A button, good unless `more` spoils it."""
    return {"type": 2, "style": 1, "label": "Go", "custom_id": "go", **more}


def row(*items: dict[str, Any]) -> dict[str, Any]:
    """An action row."""
    return {"type": 1, "components": list(items)}


def paths(tree: dict[str, Any], at: str = "") -> set[str]:
    """Where a tree of form errors has leaves."""
    found = {at} if "_errors" in tree else set()
    for key, node in tree.items():
        if key != "_errors":
            found |= paths(node, f"{at}.{key}" if at else key)
    return found


def wrong(body: dict[str, Any], files: dict[int, Upload] | None = None, *, editing: bool = False) -> set[str]:
    """The paths of the errors in a message's body."""
    try:
        check_message(body, files or {}, editing=editing)
    except DiscordError as error:
        assert (error.status, error.code) == (400, 50035)
        assert error.errors is not None
        return paths(dict(error.errors))
    return set()


FIELD = {"name": "a", "value": "b"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"content": "x" * 2000}, set()),
        ({"content": 1}, {"content"}),
        ({"flags": "4"}, {"flags"}),
        ({"nonce": 12}, set()),
        ({"nonce": True}, {"nonce"}),
        ({"nonce": ["x"]}, {"nonce"}),
        ({"embeds": {}}, {"embeds"}),
        ({"embeds": ["x"]}, {"embeds.0"}),
        ({"embeds": [{}]}, {"embeds.0.description"}),
        ({"embeds": [{"title": "x"}] * 11}, {"embeds"}),
        ({"embeds": [{"fields": [FIELD] * 26}]}, {"embeds.0.fields"}),
        ({"embeds": [{"fields": [{"name": "", "value": "b"}]}]}, {"embeds.0.fields.0.name"}),
        ({"embeds": [{"fields": [{"name": "a", "value": "b" * 1025}]}]}, {"embeds.0.fields.0.value"}),
        ({"embeds": [{"title": "x", "url": "javascript:1"}]}, {"embeds.0.url"}),
        ({"embeds": [{"title": "x", "footer": {"text": "f" * 2049}}]}, {"embeds.0.footer.text"}),
        ({"components": [row(button())]}, set()),
        ({"components": "x"}, {"components"}),
        ({"components": [row(button(custom_id=str(n))) for n in range(6)]}, {"components"}),
        ({"components": [row(*(button(custom_id=str(n)) for n in range(6)))]}, {"components.0.components"}),
        ({"components": [row()]}, {"components.0.components"}),
        ({"components": [button()]}, {"components.0.type"}),
        ({"components": [row({"type": 9})]}, {"components.0.components.0.type"}),
        ({"components": [row(button(), button())]}, {"components.0.components.1.custom_id"}),
        ({"components": [row(button(custom_id="x" * 101))]}, {"components.0.components.0.custom_id"}),
        ({"components": [row(button(custom_id=""))]}, {"components.0.components.0.custom_id"}),
        ({"components": [row(button(label="x" * 81))]}, {"components.0.components.0.label"}),
        ({"components": [row(button(label=None))]}, {"components.0.components.0"}),
        ({"components": [row(button(style=9))]}, {"components.0.components.0.style"}),
        ({"components": [row(button(style=5, custom_id=None))]}, {"components.0.components.0.url"}),
        ({"components": [row({"type": 3, "custom_id": "s", "options": []})]}, {"components.0.components.0.options"}),
        ({"components": [row({"type": 5, "custom_id": "s"}, button())]}, {"components.0.components"}),
        ({"components": [{"type": 10, "content": "x"}], "flags": 1 << 15}, set()),
        ({"components": [{"type": 10, "content": "x"}], "flags": 1 << 15, "content": "y"}, {"content"}),
        ({"components": [{"type": 10}], "flags": 1 << 15, "embeds": [{"title": "y"}]}, {"embeds"}),
        ({"components": [{"type": 17, "components": [{"type": 10}] * 40}], "flags": 1 << 15}, {"components"}),
        ({"attachments": {}}, {"attachments"}),
        ({"attachments": [{"id": "x"}]}, {"attachments.0.id"}),
        ({"attachments": [{"id": 0}]}, {"attachments.0"}),
    ],
)
def test_a_message_body_is_wrong_where_discord_says_so(body: dict[str, Any], expected: set[str]) -> None:
    assert wrong(body) == expected


def test_over_ten_files_are_too_many_and_edits_may_name_old_ones() -> None:
    assert wrong({}, {n: Upload("a", b"") for n in range(11)}) == {"files"}
    assert wrong({"attachments": [{"id": "123"}]}, editing=True) == set()


INPUT = {"type": 4, "custom_id": "a", "style": 1}


def labelled(**more: Any) -> dict[str, Any]:
    """A text input under its label, good unless `more` spoils it."""
    return {"type": 18, "label": "A", "component": {**INPUT, **more}}


@pytest.mark.parametrize(
    ("components", "expected"),
    [
        ([labelled()], set()),
        ([labelled(value="x" * 4000, placeholder="p" * 100, min_length=0, max_length=4000, required=False)], set()),
        ([row({**INPUT, "label": "A"})], set()),
        ([{"type": 10, "content": "read this"}, labelled()], set()),
        ([], {"components"}),
        ([labelled(custom_id=str(n)) for n in range(6)], {"components"}),
        ([button()], {"components.0.type"}),
        (["x"], {"components.0.type"}),
        ([row(INPUT)], {"components.0.components.0.label"}),
        ([row({**INPUT, "label": "A"}, {**INPUT, "label": "B"})], {"components.0.components"}),
        ([row(button())], {"components.0.components.0.type"}),
        ([labelled(label="twice")], {"components.0.component.label"}),
        ([{**labelled(), "label": "x" * 46}], {"components.0.label"}),
        ([{**labelled(), "description": "x" * 101}], {"components.0.description"}),
        ([{**labelled(), "component": None}], {"components.0.component.type"}),
        ([labelled(), labelled()], {"components.1.component.custom_id"}),
        ([labelled(custom_id="x" * 101)], {"components.0.component.custom_id"}),
        ([labelled(style=3)], {"components.0.component.style"}),
        ([labelled(placeholder="x" * 101)], {"components.0.component.placeholder"}),
        ([labelled(value="x" * 4001)], {"components.0.component.value"}),
        ([labelled(value="xx", max_length=1)], {"components.0.component.value"}),
        ([labelled(max_length=0)], {"components.0.component.max_length"}),
        ([labelled(min_length=4001)], {"components.0.component.min_length"}),
        ([labelled(min_length=3, max_length=2)], {"components.0.component.min_length"}),
        ([labelled(required="no")], {"components.0.component.required"}),
        ([labelled(disabled=True)], {"components.0.component.disabled"}),
    ],
)
def test_a_modal_is_wrong_where_discord_says_so(components: list[Any], expected: set[str]) -> None:
    try:
        check_modal({"custom_id": "x", "title": "X", "components": components})
    except DiscordError as error:
        assert paths(dict(error.errors or {})) == expected
    else:
        assert expected == set()


@pytest.mark.parametrize("change", [{"title": "x" * 46}, {"title": None}, {"custom_id": ""}, {"flags": 64}])
def test_a_modal_has_a_title_and_an_id_and_no_more(change: dict[str, Any]) -> None:
    with pytest.raises(DiscordError) as caught:
        check_modal({"custom_id": "x", "title": "X", "components": [labelled()], **change})
    assert paths(dict(caught.value.errors or {})) == set(change)


OPTION = {"type": 3, "name": "a", "description": "b"}
SUB = {"type": 1, "name": "s", "description": "d"}
LONG_CHOICES = [{"name": str(n), "value": "v" * 100} for n in range(20)]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ({"options": [OPTION]}, set()),
        ({"options": [SUB, {**SUB, "name": "t", "options": [OPTION]}]}, set()),
        ({"options": [{"type": 2, "name": "g", "description": "d", "options": [SUB]}]}, set()),
        ({"name": "two words"}, {"name"}),
        ({"name": "x" * 33}, {"name"}),
        ({"name": None}, {"name"}),
        ({"description": None}, {"description"}),
        ({"type": 3, "name": "Any Case", "description": ""}, set()),
        ({"type": 3, "name": "Any Case"}, {"description"}),
        ({"options": [{**OPTION, "name": str(n)} for n in range(26)]}, {"options"}),
        ({"options": [OPTION, OPTION]}, {"options"}),
        ({"options": [{**OPTION, "type": 12}]}, {"options.0.type"}),
        ({"options": [SUB, OPTION]}, {"options.1.type"}),
        ({"options": [{**SUB, "options": [SUB]}]}, set()),
        (
            {"options": [{**SUB, "options": [{"type": 2, "name": "g", "description": "d"}]}]},
            {"options.0.options.0.type"},
        ),
        ({"options": [OPTION, {**OPTION, "name": "z", "required": True}]}, {"options.1"}),
        ({"options": [{**OPTION, "choices": [{"name": "", "value": "v"}]}]}, {"options.0.choices.0.name"}),
        (
            {"options": [{**OPTION, "choices": [{"name": str(n), "value": "v"} for n in range(26)]}]},
            {"options.0.choices"},
        ),
        ({"options": [{**OPTION, "autocomplete": True, "choices": [{"name": "n", "value": "v"}]}]}, {"options.0"}),
        ({"options": [{**OPTION, "name": str(n), "choices": LONG_CHOICES} for n in range(4)]}, {""}),
        ({"options": [{**OPTION, "choices": [{"name": "n", "value": "v" * 101}]}]}, {"options.0.choices.0.value"}),
        ({"options": [{**OPTION, "choices": [{"name": "n", "value": 1}]}]}, {"options.0.choices.0.value"}),
        ({"options": [{**OPTION, "choices": [{"name": "n"}]}]}, {"options.0.choices.0.value"}),
        ({"options": [{**OPTION, "choices": [{"value": "v"}]}]}, {"options.0.choices.0.name"}),
        ({"options": [{**OPTION, "choices": [{"name": "n", "value": "v"}] * 2}]}, {"options.0.choices.1.name"}),
        ({"options": [{**OPTION, "choices": ["n"]}]}, {"options.0.choices"}),
        ({"options": [{**OPTION, "type": 4, "choices": [{"name": "n", "value": 1}]}]}, set()),
        ({"options": [{**OPTION, "type": 5, "autocomplete": True}]}, {"options.0"}),
        ({"options": [{**OPTION, "autocomplete": "yes"}]}, {"options.0.autocomplete"}),
        ({"options": [{**OPTION, "autocomplete": True}]}, set()),
        ({"options": [{**SUB, "autocomplete": True}]}, {"options.0"}),
        ({"options": [{**OPTION, "options": [OPTION]}]}, {"options.0.options"}),
        ({"options": ["a"]}, {"options"}),
        ({"contexts": [0, 1], "integration_types": [0]}, set()),
        ({"contexts": []}, {"contexts"}),
        ({"contexts": [0, 0]}, {"contexts"}),
        ({"contexts": [3]}, {"contexts"}),
        ({"integration_types": [2]}, {"integration_types"}),
    ],
)
def test_a_command_is_wrong_where_discord_says_so(command: dict[str, Any], expected: set[str]) -> None:
    errors = FormErrors()
    check_command({"name": "parley", "description": "x", **command}, "", errors)
    try:
        errors.check()
    except DiscordError as error:
        assert error.errors is not None
        assert paths(dict(error.errors)) == expected
    else:
        assert expected == set()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, set()),
        ({"parse": []}, set()),
        ({"parse": ["users"], "roles": ["1"]}, set()),
        ({"parse": ["users"], "users": ["1"]}, {"allowed_mentions"}),
        ({"parse": ["crowds"]}, {"allowed_mentions.parse.0"}),
        ({"users": ["x"]}, {"allowed_mentions.users"}),
        ({"roles": [str(n) for n in range(101)]}, {"allowed_mentions.roles"}),
        ("none", {"allowed_mentions"}),
    ],
)
def test_allowed_mentions_exclude_each_other_as_published(value: Any, expected: set[str]) -> None:
    errors = FormErrors()
    check_allowed_mentions(value, "allowed_mentions", errors)
    try:
        errors.check()
    except DiscordError as error:
        assert error.errors is not None
        assert paths(dict(error.errors)) == expected
    else:
        assert expected == set()


@pytest.mark.parametrize(
    ("text", "users", "roles", "crowds"),
    [
        ("<@1> and <@!1>", [1], [], []),
        ("<@2> <@&7>", [], [7], []),
        ("@everyone, @here", [], [], ["everyone", "here"]),
        ("@everyones", [], [], []),
        ("`<@1>` ``@here`` ```\n<@&7>\n```", [], [], []),
        ("`open <@1>", [1], [], []),
    ],
)
def test_a_text_addresses_whom_it_names_outside_code(
    text: str, users: list[int], roles: list[int], crowds: list[str]
) -> None:
    world = World()
    world.users[1], world.roles[7] = User(1, "alice"), Role(7, "staff", 9)
    found = addressed(text, world)
    assert [u.id for u in found.users] == users
    assert [r.id for r in found.roles] == roles
    assert found.crowds == crowds

"""What users do with commands, buttons and forms: each makes an interaction and dispatches INTERACTION_CREATE.

The real client offers only what is registered and shown, so anything else fails an assertion here.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from emulators.discord.interactions import AUTOCOMPLETE, COMMAND, COMPONENT, MODAL, Interaction
from emulators.discord.modals import filled
from emulators.discord.payloads import (
    JSON,
    channel_payload,
    member_payload,
    member_permissions,
    message_payload,
    user_payload,
)
from emulators.discord.people import People
from emulators.discord.state import Channel, Message, User
from emulators.discord.validation import UPLOAD_BYTES, walk

PYTHON_TYPES: dict[int, tuple[type, ...]] = {3: (str,), 4: (int,), 5: (bool,), 10: (int, float)}


class Invocations(People):
    """Slash commands, autocomplete, buttons, selects and modals."""

    async def slash(
        self,
        user: User,
        channel: Channel,
        name: str,
        subcommand: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Interaction:
        """`user` runs `/name subcommand` with options by name; a group's subcommand is "group subcommand"."""
        command = self._command(user, name, channel)
        data = self._command_data(command, subcommand, options or {}, focused=None)
        return self._begin(COMMAND, user, channel, data, None)

    async def autocomplete(
        self,
        user: User,
        channel: Channel,
        name: str,
        subcommand: str | None,
        *,
        focused: str,
        value: str,
        options: Mapping[str, Any] | None = None,
    ) -> Interaction:
        """`user` types `value` into the option `focused`, which must have been registered with autocomplete."""
        command = self._command(user, name, channel)
        data = self._command_data(command, subcommand, {**(options or {}), focused: value}, focused=focused)
        return self._begin(AUTOCOMPLETE, user, channel, data, None)

    async def press(self, user: User, message: Message, custom_id: str) -> Interaction:
        """`user` presses a button that is on the message and not disabled."""
        component = self._component(message, custom_id)
        data = {"id": component["id"], "custom_id": custom_id, "component_type": component["type"]}
        return self._begin(COMPONENT, user, message.channel, data, message)

    async def select(self, user: User, message: Message, custom_id: str, values: Sequence[str]) -> Interaction:
        """`user` picks options of a string select."""
        component = self._component(message, custom_id)
        offered = {option["value"] for option in component.get("options") or []}
        assert set(values) <= offered, f"{set(values) - offered} is not offered"
        data = {
            "id": component["id"],
            "custom_id": custom_id,
            "component_type": component["type"],
            "values": list(values),
        }
        return self._begin(COMPONENT, user, message.channel, data, message)

    async def submit_modal(self, user: User, shown: Interaction, values: Mapping[str, str]) -> Interaction:
        """`user` fills the form that answered `shown` and sends it; `values` by custom_id."""
        assert shown.modal is not None, "no modal was shown"
        inputs = {c["custom_id"] for c in walk(shown.modal["components"]) if c.get("type") == 4}
        assert values.keys() <= inputs, f"{values.keys() - inputs} is not on the form"
        components = [filled(component, values) for component in shown.modal["components"]]
        data: JSON = {"custom_id": shown.modal["custom_id"], "components": components}
        interaction = self._begin(MODAL, user, shown.channel, data, shown.source)
        interaction.origin = shown
        return interaction

    def _command(self, user: User, name: str, channel: Channel) -> JSON:
        guild_id = channel.guild.id if channel.guild else None
        command = self.registry.find(name, guild_id)
        assert command is not None, f"/{name} is not registered; there is {[c['name'] for c in self.commands]}"
        if guild_id is None:
            contexts = command.get("contexts")
            usable = 1 in contexts if contexts is not None else command.get("dm_permission") is not False
            assert usable, f"/{name} is not offered in DMs"
        elif (needed := command.get("default_member_permissions")) is not None:
            has = member_permissions(user, channel, self.world)
            assert has & int(needed) == int(needed) != 0, f"/{name} is not offered to {user.name}"
        return command

    def _command_data(
        self, command: JSON, subcommand: str | None, given: Mapping[str, Any], *, focused: str | None
    ) -> JSON:
        known = command.get("options") or []
        path = subcommand.split() if subcommand else []
        wrappers: list[JSON] = []
        for part in path:
            found = next((o for o in known if o["name"] == part and o["type"] in {1, 2}), None)
            assert found is not None, f"/{command['name']} has no subcommand {part!r}"
            wrappers.append({"type": found["type"], "name": part})
            known = found.get("options") or []
        assert not any(o["type"] in {1, 2} for o in known), f"/{command['name']} needs a subcommand"
        options = [self._option(option, given, focused) for option in known if option["name"] in given]
        unknown = given.keys() - {option["name"] for option in known}
        assert not unknown, f"/{command['name']} has no option {unknown}"
        if focused is None:
            missing = [o["name"] for o in known if o.get("required") and o["name"] not in given]
            assert not missing, f"the client would not send /{command['name']} without {missing}"
        for wrapper in reversed(wrappers):
            options = [{**wrapper, "options": options}]
        data: JSON = {"id": command["id"], "name": command["name"], "type": command["type"], "options": options}
        if "guild_id" in command:
            data["guild_id"] = command["guild_id"]
        return data

    @staticmethod
    def _option(option: JSON, given: Mapping[str, Any], focused: str | None) -> JSON:
        name, value = option["name"], given[option["name"]]
        types = PYTHON_TYPES.get(option["type"], (str, int))
        if name == focused:
            assert option.get("autocomplete"), f"{name} has no autocomplete"
            return {"type": option["type"], "name": name, "value": value, "focused": True}
        assert isinstance(value, types), f"{name} must be one of {types}"
        choices = [choice["value"] for choice in option.get("choices") or []]
        assert not choices or value in choices, f"{name} must be one of {choices}"
        assert not isinstance(value, str) or 0 < len(value) <= 6_000, f"{name} has 1 to 6,000 characters"
        return {"type": option["type"], "name": name, "value": value}

    def _component(self, message: Message, custom_id: str) -> JSON:
        found = next((c for c in walk(message.components) if c.get("custom_id") == custom_id), None)
        shown = [c["custom_id"] for c in walk(message.components) if c.get("custom_id")]
        assert found is not None, f"{custom_id!r} is not on the message; there is {shown}"
        assert not found.get("disabled"), f"{custom_id!r} is disabled"
        assert not message.deleted, "the message was deleted"
        return found

    def _begin(self, kind: int, user: User, channel: Channel, data: JSON, source: Message | None) -> Interaction:
        now = time.monotonic()
        interaction = Interaction(
            id=self.world.snowflake(),
            token=secrets.token_urlsafe(64),
            type=kind,
            user=user,
            channel=channel,
            data=data,
            source=source,
            deadline=now + self.timing.first_response,
            expires=now + self.timing.interaction_token,
        )
        self.interactions[interaction.token] = interaction
        timer = asyncio.get_running_loop().call_later(self.timing.first_response + 0.01, self.changed)
        self.timers.append(timer)
        guild_id = channel.guild.id if channel.guild else None
        payload = self._payload(interaction)
        self.sessions_store.dispatch("INTERACTION_CREATE", None, payload, guild_id=guild_id)
        self.changed()
        return interaction

    def _payload(self, interaction: Interaction) -> JSON:
        channel, user = interaction.channel, interaction.user
        payload: JSON = {
            "id": str(interaction.id),
            "application_id": str(self.application_id),
            "type": interaction.type,
            "data": interaction.data,
            "token": interaction.token,
            "version": 1,
            "channel_id": str(channel.id),
            "channel": channel_payload(channel, self.bot),
            "app_permissions": str(self.world.allowed(self.bot, channel)),
            "locale": "en-US",
            "entitlements": [],
            "entitlement_sku_ids": [],
            "authorizing_integration_owners": {"0": str(channel.guild.id if channel.guild else 0)},
            "attachment_size_limit": UPLOAD_BYTES,
            "context": 0 if channel.guild else 1,
        }
        if channel.guild is not None:
            payload["guild_id"] = str(channel.guild.id)
            payload["guild"] = {"id": str(channel.guild.id), "locale": "en-US", "features": []}
            payload["guild_locale"] = "en-US"
            permissions = member_permissions(user, channel, self.world)
            payload["member"] = member_payload(user, channel.guild, permissions=permissions)
        else:
            payload["user"] = user_payload(user)
        if interaction.source is not None:
            payload["message"] = message_payload(interaction.source, self.bot)
        return payload

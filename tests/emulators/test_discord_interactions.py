"""Commands, buttons and forms of the emulated Discord, answered by the real discord.py."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any

import discord
import pytest
from discord import app_commands

from emulators.discord import DiscordServer, DiscordTiming, Message, Permission, User
from emulators.discord.interactions import ALLOWED, MODAL, SHOW_MODAL, SUGGEST
from tests.emulators.discord_clients import Recording, connected


class Ask(discord.ui.Modal, title="Ask"):
    """A form of one field."""

    question: discord.ui.TextInput[Any] = discord.ui.TextInput(label="Question", custom_id="question", max_length=20)

    async def on_submit(self, interaction: discord.Interaction) -> None:
        """Repeat the question."""
        await interaction.response.send_message(f"asked: {self.question.value}", ephemeral=True)


class Buttons(discord.ui.View):
    """Three buttons: answer in place, open a form, do nothing."""

    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Again", custom_id="again")
    async def again(self, interaction: discord.Interaction, _button: discord.ui.Button[Any]) -> None:
        """Replace the message."""
        await interaction.response.edit_message(content="pressed", view=None)

    @discord.ui.button(label="Ask", custom_id="ask")
    async def ask(self, interaction: discord.Interaction, _button: discord.ui.Button[Any]) -> None:
        """Show the form."""
        await interaction.response.send_modal(Ask())

    @discord.ui.button(label="Never", custom_id="never", disabled=True)
    async def never(self, _interaction: discord.Interaction, _button: discord.ui.Button[Any]) -> None:
        """Nobody can press this."""


Behaviour = Callable[[discord.Interaction, str | None], Awaitable[None]]


class Commanding(Recording):
    """A client with /parley set and /parley show; `behaviour` answers set."""

    def __init__(self, *, behaviour: Behaviour | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.errors: list[discord.HTTPException] = []
        self.refused = asyncio.Event()
        tree = app_commands.CommandTree(self)
        group = app_commands.Group(name="parley", description="Talk to Parley")

        @group.command(name="set", description="Change a setting")
        @app_commands.describe(setting="which", value="to what")
        async def change(interaction: discord.Interaction, setting: str, value: str | None = None) -> None:
            assert behaviour is not None
            try:
                await behaviour(interaction, value)
            except discord.HTTPException as error:
                self.errors.append(error)
                self.refused.set()

        @change.autocomplete("setting")
        async def settings(_interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
            names = ("model", "temperature")
            return [app_commands.Choice(name=n, value=n) for n in names if n.startswith(current)]

        @group.command(name="show", description="Show the settings")
        async def show(interaction: discord.Interaction) -> None:
            await interaction.response.send_message("all settings", view=Buttons(), ephemeral=True)

        tree.add_command(group)
        self.tree = tree
        self.behaviour = behaviour

    async def setup_hook(self) -> None:
        """Register the commands."""
        await self.tree.sync()


async def test_commands_are_registered_and_keep_their_ids() -> None:
    async with DiscordServer(timing=DiscordTiming(identify_spacing=0)) as server:
        ids = []
        for _ in range(2):
            async with connected(server, kind=Commanding) as client:
                (command,) = server.commands
                ids.append(command["id"])
                assert [o["name"] for o in command["options"]] == ["set", "show"]
                assert [c.name for c in await client.tree.fetch_commands()] == ["parley"]
        assert ids[0] == ids[1]
        assert server.command_syncs == 2
    assert server.complaints == []


async def test_a_slash_command_is_answered_with_its_options() -> None:
    async def behaviour(interaction: discord.Interaction, value: str | None) -> None:
        await interaction.response.send_message(f"{interaction.user.name} set {value}", ephemeral=True)

    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice", admin=True)
        async with connected(server, kind=Commanding, behaviour=behaviour):
            done = await server.slash(alice, channel, "parley", "set", {"setting": "model", "value": "gpt"})
            assert await server.wait_for(lambda: done.content) == "alice set gpt"
            assert done.ephemeral
            assert not done.failed
            assert server.messages(channel) == []
            assert server.messages(channel, ephemeral=True) == [done.message]
    assert server.complaints == []


async def test_a_deferred_answer_thinks_then_speaks_and_follows_up() -> None:
    async def behaviour(interaction: discord.Interaction, _value: str | None) -> None:
        await interaction.response.defer(thinking=True)
        await gate.wait()
        await interaction.followup.send("first")
        second = await interaction.followup.send("second", wait=True)
        await second.edit(content="second, better")
        await interaction.edit_original_response(content="first, better")
        original = await interaction.original_response()
        assert original.content == "first, better"

    gate = asyncio.Event()
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server, kind=Commanding, behaviour=behaviour):
            done = await server.slash(alice, channel, "parley", "set", {"setting": "model"})
            await server.wait_for(lambda: done.deferred)
            assert done.content is None
            gate.set()
            await server.wait_for(lambda: done.content == "first, better")
            assert [m.content for m in done.messages] == ["first, better", "second, better"]
            assert done.message is not None
            assert (done.message.type, [v.content for v in done.message.versions]) == (
                20,
                ["", "first", "first, better"],
            )
    assert server.complaints == []


async def test_the_first_response_after_three_seconds_comes_too_late() -> None:
    async def behaviour(interaction: discord.Interaction, _value: str | None) -> None:
        await asyncio.sleep(0.1)
        await interaction.response.send_message("late")

    async with DiscordServer(timing=DiscordTiming(first_response=0.05)) as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server, kind=Commanding, behaviour=behaviour) as client:
            done = await server.slash(alice, channel, "parley", "set", {"setting": "model"})
            await server.wait_for(lambda: done.failed)
            await server.wait_for(lambda: server.complaints)
            await asyncio.wait_for(client.refused.wait(), 5)
            assert [e.code for e in client.errors] == [10062]
            assert done.messages == []


async def test_a_second_first_response_is_refused() -> None:
    async def behaviour(interaction: discord.Interaction, _value: str | None) -> None:
        await interaction.response.send_message("one")
        interaction.response._response_type = None
        await interaction.response.send_message("two")

    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server, kind=Commanding, behaviour=behaviour) as client:
            await server.slash(alice, channel, "parley", "set", {"setting": "model"})
            await server.wait_for(lambda: server.complaints)
            assert "40060" in server.complaints[0]
            await asyncio.wait_for(client.refused.wait(), 5)
            assert [e.code for e in client.errors] == [40060]
            assert [m.content for m in server.bot_messages(channel)] == ["one"]


async def test_followups_need_a_response_first_and_die_with_the_token() -> None:
    async def behaviour(interaction: discord.Interaction, _value: str | None) -> None:
        try:
            await interaction.followup.send("too early")
        except discord.NotFound as error:
            assert error.code == 10015
        await interaction.response.send_message("now")
        await expired.wait()
        await interaction.followup.send("too late")

    expired = asyncio.Event()
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server, kind=Commanding, behaviour=behaviour) as client:
            done = await server.slash(alice, channel, "parley", "set", {"setting": "model"})
            await server.wait_for(lambda: done.content)
            assert done.expires - done.at == pytest.approx(900, abs=1)
            done.expires = done.at
            expired.set()
            await asyncio.wait_for(client.refused.wait(), 5)
            assert [e.code for e in client.errors] == [50027]
            assert [m.content for m in done.messages] == ["now"]


async def test_autocomplete_suggests() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server, kind=Commanding):
            typed = await server.autocomplete(alice, channel, "parley", "set", focused="setting", value="te")
            await server.wait_for(lambda: typed.response)
            assert [c["value"] for c in typed.choices] == ["temperature"]
    assert server.complaints == []


async def test_buttons_edit_their_message_and_open_forms() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server, kind=Commanding):
            shown = await server.slash(alice, channel, "parley", "show")
            message: Message | None = await server.wait_for(lambda: shown.message)
            assert message is not None
            with pytest.raises(AssertionError, match="disabled"):
                await server.press(alice, message, "never")
            with pytest.raises(AssertionError, match="not on the message"):
                await server.press(alice, message, "nonsense")
            asking = await server.press(alice, message, "ask")
            await server.wait_for(lambda: asking.modal)
            with pytest.raises(AssertionError, match="required"):
                await server.submit_modal(alice, asking, {})
            sent = await server.submit_modal(alice, asking, {"question": "why?"})
            assert await server.wait_for(lambda: sent.content) == "asked: why?"
            pressed = await server.press(alice, message, "again")
            assert await server.wait_for(lambda: pressed.content) == "pressed"
            assert (message.content, message.components) == ("pressed", [])
    assert server.complaints == []


async def test_what_is_typed_into_labels_comes_back_and_a_line_stays_one_line() -> None:
    written: list[str] = []

    class Letter(discord.ui.Modal, title="Letter"):
        subject: discord.ui.Label[Any] = discord.ui.Label(
            text="Subject", component=discord.ui.TextInput(custom_id="subject", required=False, default="Hello")
        )
        body: discord.ui.Label[Any] = discord.ui.Label(
            text="Body", component=discord.ui.TextInput(custom_id="body", style=discord.TextStyle.paragraph)
        )

        async def on_submit(self, interaction: discord.Interaction) -> None:
            for label in (self.subject, self.body):
                assert isinstance(label.component, discord.ui.TextInput)
                written.append(label.component.value)
            await interaction.response.send_message("thanks", file=discord.File(io.BytesIO(b"x"), "x.txt"))

    async def behaviour(interaction: discord.Interaction, _value: str | None) -> None:
        await interaction.response.send_modal(Letter())

    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server, kind=Commanding, behaviour=behaviour):
            shown = await server.slash(alice, channel, "parley", "set", {"setting": "model"})
            await server.wait_for(lambda: shown.modal)
            with pytest.raises(AssertionError, match="subject is one line"):
                await server.submit_modal(alice, shown, {"subject": "a\nb", "body": "c"})
            sent = await server.submit_modal(alice, shown, {"body": "one\ntwo"})
            await server.wait_for(lambda: sent.content)
            assert written == ["Hello", "one\ntwo"]
            assert sent.message is not None
            assert [attachment.data for attachment in sent.message.attachments] == [b"x"]
    assert server.complaints == []


async def test_a_form_is_no_answer_after_a_deferral_nor_to_a_form() -> None:
    async def behaviour(interaction: discord.Interaction, _value: str | None) -> None:
        await interaction.response.defer(ephemeral=True)
        interaction.response._response_type = None
        await interaction.response.send_modal(Ask())

    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server, kind=Commanding, behaviour=behaviour) as client:
            shown = await server.slash(alice, channel, "parley", "set", {"setting": "model"})
            await asyncio.wait_for(client.refused.wait(), 5)
            assert [e.code for e in client.errors] == [40060]
            assert shown.modal is None
    assert ALLOWED[MODAL].isdisjoint({SHOW_MODAL, SUGGEST})


async def test_who_manages_a_channel_is_told_by_overwrites() -> None:
    async with DiscordServer() as server:
        channel, alice, root = server.add_channel("c"), server.add_user("alice"), server.add_user("root", admin=True)
        keepers = server.add_role("keepers", permissions=Permission.MANAGE_CHANNELS)
        alice.roles.append(keepers)

        def manages(user: User) -> bool:
            return bool(server.world.allowed(user, channel) & Permission.MANAGE_CHANNELS)

        assert manages(alice)
        server.overwrite(channel, keepers, deny=Permission.MANAGE_CHANNELS)
        assert not manages(alice)
        server.overwrite(channel, alice, allow=Permission.MANAGE_CHANNELS)
        assert manages(alice)
        assert manages(root)
        async with connected(server) as client:
            cached = client.get_guild(server.guild.id).get_channel(channel.id)
            assert {target.id for target in cached.overwrites} == {keepers.id, alice.id}
            admins = next(role for role in client.get_guild(server.guild.id).roles if role.name == "Admins")
            assert admins.permissions.administrator


async def test_commands_work_in_direct_messages() -> None:
    async def behaviour(interaction: discord.Interaction, _value: str | None) -> None:
        assert interaction.guild is None
        await interaction.response.send_message("in private")

    async with DiscordServer() as server:
        alice = server.add_user("alice")
        async with connected(server, kind=Commanding, behaviour=behaviour):
            done = await server.slash(alice, server.open_dm(alice), "parley", "set", {"setting": "model"})
            assert await server.wait_for(lambda: done.content) == "in private"


async def test_what_the_client_would_not_offer_cannot_be_run() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        with pytest.raises(AssertionError, match="not registered"):
            await server.slash(alice, channel, "parley", "show")
        async with connected(server, kind=Commanding):
            with pytest.raises(AssertionError, match="no subcommand"):
                await server.slash(alice, channel, "parley", "nonsense")
            with pytest.raises(AssertionError, match="without"):
                await server.slash(alice, channel, "parley", "set")
            with pytest.raises(AssertionError, match="no option"):
                await server.slash(alice, channel, "parley", "show", {"x": "y"})


async def test_a_response_that_is_too_long_is_refused_and_may_be_given_again() -> None:
    async def behaviour(interaction: discord.Interaction, _value: str | None) -> None:
        try:
            await interaction.response.send_message("x" * 2001)
        finally:
            await interaction.response.send_message("shorter")

    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server, kind=Commanding, behaviour=behaviour) as client:
            done = await server.slash(alice, channel, "parley", "set", {"setting": "model"})
            assert await server.wait_for(lambda: done.content) == "shorter"
            await asyncio.wait_for(client.refused.wait(), 5)
            assert "In data.content: " in client.errors[0].text


async def test_selects_give_back_what_was_chosen() -> None:
    chosen: list[str] = []

    class Choice(discord.ui.View):
        @discord.ui.select(custom_id="which", options=[discord.SelectOption(label=n) for n in ("a", "b")])
        async def which(self, interaction: discord.Interaction, select: discord.ui.Select[Any]) -> None:
            chosen.extend(select.values)
            await interaction.response.defer()

    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            await client.get_channel(channel.id).send("which?", view=Choice())
            (message,) = server.bot_messages(channel)
            with pytest.raises(AssertionError, match="not offered"):
                await server.select(alice, message, "which", ["c"])
            picked = await server.select(alice, message, "which", ["b"])
            await server.wait_for(lambda: picked.response)
            assert chosen == ["b"]
            assert picked.message is message
    assert server.complaints == []


async def test_single_commands_are_read_changed_and_deleted() -> None:
    async with DiscordServer() as server, connected(server) as client:
        body = {"name": "parley", "description": "x"}
        made = await client.http.upsert_global_command(client.application_id, body)
        await client.http.edit_global_command(client.application_id, made["id"], {"name": "p", "description": "y"})
        (kept,) = server.commands
        assert (kept["name"], kept["description"]) == ("p", "y")
        await client.http.delete_global_command(client.application_id, kept["id"])
        assert server.commands == []
        with pytest.raises(discord.NotFound) as caught:
            await client.http.delete_global_command(client.application_id, kept["id"])
        assert caught.value.code == 10063


async def test_commands_for_moderators_are_not_offered_to_others() -> None:
    async with DiscordServer() as server:
        channel, alice, root = server.add_channel("c"), server.add_user("alice"), server.add_user("root", admin=True)
        async with connected(server) as client:
            command = {"name": "parley", "description": "x", "default_member_permissions": str(1 << 5)}
            await client.http.upsert_guild_command(client.application_id, server.guild.id, command)
            with pytest.raises(AssertionError, match="not offered to alice"):
                await server.slash(alice, channel, "parley")
            await server.slash(root, channel, "parley")
            await client.heard_of("interaction")


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ({"name": "Parley", "description": "x"}, "name"),
        ({"name": "parley", "description": "x" * 101}, "description"),
        ({"name": "parley", "description": "x", "options": [{"type": 3, "name": "a", "description": ""}]}, "options.0"),
    ],
)
async def test_registrations_are_checked(command: dict[str, Any], path: str) -> None:
    async with DiscordServer() as server, connected(server) as client:
        with pytest.raises(discord.HTTPException) as caught:
            await client.http.upsert_global_command(client.application_id, command)
        assert caught.value.code == 50035
        assert f"In {path}" in caught.value.text

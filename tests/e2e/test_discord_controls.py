"""The team's settings on Discord, from what somebody types to what the model is sent."""

from __future__ import annotations

from emulators.discord import Permission
from tests.e2e.stage import Stage
from tests.e2e.talk import Talk

SYSTEM = "Answer like a pirate.\n\nNever mention the sea."


async def test_who_manages_a_channel_writes_its_system_message_into_a_form(on_stage: Stage) -> None:
    talk, discord, openai = Talk(on_stage, "discord"), on_stage.discord, on_stage.openai
    studio, bob, eve = talk.studio, talk.bob, discord.add_user("eve")
    discord.overwrite(studio, bob, allow=Permission.MANAGE_CHANNELS)
    async with on_stage.worker():
        await discord.wait_for(lambda: discord.commands)
        typed = await discord.autocomplete(bob, studio, "parley", "set", focused="setting", value="sys")
        await discord.wait_for(lambda: typed.response)
        assert [choice["value"] for choice in typed.choices] == ["system"]

        refused = await discord.slash(eve, studio, "parley", "set", {"setting": "system", "value": "x"})
        assert "Only admins" in str(await discord.wait_for(lambda: refused.content))

        opened = await discord.slash(bob, studio, "parley", "set", {"setting": "system"})
        await discord.wait_for(lambda: opened.modal)
        sent = await discord.submit_modal(bob, opened, {"system": SYSTEM})
        assert "system" in str(await discord.wait_for(lambda: sent.content))
        assert sent.ephemeral

        await talk.ask("where is the treasure?")
        await openai.wait_for(lambda: openai.calls)
        assert SYSTEM in openai.calls[-1].body["messages"][0]["content"]

        spoiled = await discord.slash(bob, studio, "parley", "set", {"setting": "temperature"})
        await discord.wait_for(lambda: spoiled.modal)
        wrong = await discord.submit_modal(bob, spoiled, {"temperature": "9"})
        assert "Nothing was changed" in str(await discord.wait_for(lambda: wrong.content))

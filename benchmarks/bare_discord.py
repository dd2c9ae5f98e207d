"""The yardstick on Discord: what discord.py and the OpenAI SDK do by themselves. It keeps nothing."""

import asyncio
import os

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route
from openai import AsyncOpenAI

Route.BASE = os.environ["DISCORD_API_URL"]
DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(os.environ["DISCORD_GATEWAY_URL"])
model = AsyncOpenAI()


class Bot(discord.Client):
    """Answers whoever mentions it by a reply."""

    async def on_message(self, message: discord.Message) -> None:
        """Ask the model, reply with its answer."""
        if message.author == self.user or self.user not in message.mentions:
            return
        question = message.content.split(">", 1)[-1].strip()
        whole = await model.chat.completions.create(
            model=os.environ["OPENAI_MODEL"], messages=[{"role": "user", "content": question}]
        )
        text = whole.choices[0].message.content or ""
        await message.reply(text)


async def main() -> None:
    """Serve until the process is ended."""
    intents = discord.Intents(guilds=True, guild_messages=True, dm_messages=True, message_content=True)
    async with Bot(intents=intents) as bot:
        await bot.start(os.environ["DISCORD_BOT_TOKEN"])


if __name__ == "__main__":
    asyncio.run(main())

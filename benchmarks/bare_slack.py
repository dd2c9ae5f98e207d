"""The yardstick on Slack: what Bolt and the OpenAI SDK do by themselves. It keeps nothing and survives nothing."""

import asyncio
import os
from typing import Any

from openai import AsyncOpenAI
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

slack = AsyncWebClient(token=os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"])
app = AsyncApp(client=slack)
model = AsyncOpenAI()


@app.event("app_mention")
async def answer(event: dict[str, Any]) -> None:
    """Ask the model, post its answer into the thread."""
    question = event["text"].split(">", 1)[-1].strip()
    whole = await model.chat.completions.create(
        model=os.environ["OPENAI_MODEL"], messages=[{"role": "user", "content": question}]
    )
    text = whole.choices[0].message.content or ""
    await slack.chat_postMessage(channel=event["channel"], thread_ts=event.get("thread_ts") or event["ts"], text=text)


@app.event("message")
async def overhear() -> None:
    """Slack sends what is said to the bot a second time, as a message."""


async def main() -> None:
    """Serve until the process is ended."""
    await AsyncSocketModeHandler(app, os.environ["SLACK_APP_TOKEN"]).start_async()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    asyncio.run(main())

"""The emulated OpenAI as a process of its own: prints its base URL on the first line, then serves until stopped."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

from emulators.openai.reply import Speed
from emulators.openai.service import OpenAIService


async def serve(port: int, keys: list[str], speed: Speed, *, limited: bool) -> None:
    """Serve until SIGINT or SIGTERM; requests are not kept, so that it can run for long."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    service = OpenAIService(port=port, keys=keys, speed=speed, limits="published" if limited else "none", keep=False)
    async with service:
        typer.echo(service.url)
        await stopped.wait()


def main(
    *,
    port: Annotated[int, typer.Option(help="0: chosen by the system")] = 0,
    key: Annotated[list[str] | None, typer.Option(help="a key to accept; may be given several times")] = None,
    words_per_second: Annotated[float, typer.Option(help="pace of a stream")] = 60.0,
    stream_ms: Annotated[int, typer.Option(help="spread every stream evenly over so many milliseconds")] = 0,
    first_token_ms: Annotated[int, typer.Option(help="wait before the first byte")] = 0,
    instant: Annotated[bool, typer.Option("--instant", help="answer at once")] = False,
    limits: Annotated[bool, typer.Option(help="enforce OpenAI's requests and tokens per minute")] = False,
) -> None:
    """Serve OpenAI's chat completions on loopback, answered by the offline assistant."""
    pace = Speed(0 if instant or stream_ms else words_per_second, stream_ms / 1000, first_token_ms / 1000)
    asyncio.run(serve(port, key or ["sk-emulated-key"], Speed() if instant else pace, limited=limits))


if __name__ == "__main__":
    typer.run(main)

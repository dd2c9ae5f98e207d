"""A network in between that can go dark: connections stay open, but no byte of them arrives any more."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Tunnel:
    """A TCP tunnel on loopback to `port`.

    After `go_dark` the connections there stay open and take bytes, and deliver none: a half-open connection, as a
    router that forgot it leaves behind. Later connections go through.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self._open: list[asyncio.Event] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for pump in list(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        """Where to connect."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def go_dark(self) -> None:
        """From now on nothing passes on the connections that are open."""
        for dark in self._open:
            dark.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        dark = asyncio.Event()
        self._open.append(dark)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                async with asyncio.TaskGroup() as pumps:
                    pumps.create_task(_pump(reader, far_writer, dark))
                    pumps.create_task(_pump(far_reader, writer, dark))
            finally:
                far_writer.transport.abort()
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.transport.abort()
            self._pumps.discard(task)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, dark: asyncio.Event) -> None:
    """Carry bytes one way until the end, which is passed on; in the dark swallow them, the end included."""
    try:
        while chunk := await source.read(65_536):
            if not dark.is_set():
                sink.write(chunk)
                await sink.drain()
        if not dark.is_set():
            sink.close()
    except ConnectionError:
        sink.transport.abort()

"""The rings of keys by their names, and for each key the SDK client that speaks with it.

Keys can be changed while calls run: who runs keeps what it has, and a client is closed once nobody uses it any more.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import openai
from pydantic import SecretStr

from bot.backend.config import BackendConfig
from bot.backend.keys import Key, KeyRing


@dataclass(slots=True)
class _Line:
    """One key's text and its client. `users` hold the client now; `retired`: to be closed when the last lets go."""

    secret: SecretStr
    client: openai.AsyncOpenAI
    users: int = 0
    retired: bool = False


class Rings:
    """All keys there are. A ring that is not known has none."""

    def __init__(self, config: BackendConfig) -> None:
        self._config = config
        self._lines: dict[Key, _Line] = {}
        self._rings: dict[str, KeyRing] = {}
        for name, keys in {"": config.keys, **config.named}.items():
            self._rings[name] = KeyRing(name, [self._new(_hidden(key)) for key in keys])

    def __iter__(self) -> Iterator[KeyRing]:
        return iter(self._rings.values())

    @property
    def keys(self) -> set[Key]:
        """All keys that calls may take, those that were replaced not among them."""
        return {key for ring in self._rings.values() for key in ring.keys}

    @property
    def names(self) -> Sequence[str]:
        """The named rings that have keys, sorted."""
        return sorted(name for name, ring in self._rings.items() if name and ring.keys)

    def ring(self, name: str) -> KeyRing:
        """The ring of a name; "" is the host's own."""
        return self._rings.get(name) or KeyRing(name)

    async def replace(self, name: str, keys: Sequence[SecretStr | str]) -> None:
        """These are a ring's keys from now on. Those that stay keep their state and their client.

        A key that goes is chosen no more; its client is closed when the last call with it has ended.
        """
        ring = self._rings.setdefault(name, KeyRing(name))
        here = {self._lines[key].secret.get_secret_value(): key for key in ring.keys}
        wanted = dict.fromkeys(_hidden(key).get_secret_value() for key in keys)
        gone = [key for text, key in here.items() if text not in wanted]
        ring.replace([here.get(text) or self._new(SecretStr(text)) for text in wanted])
        for key in gone:
            self._lines[key].retired = True
            await self._close_if_unused(key)

    @asynccontextmanager
    async def lend(self, key: Key) -> AsyncIterator[openai.AsyncOpenAI]:
        """The client that speaks with `key`, open at least as long as the block lasts."""
        line = self._lines[key]
        line.users += 1
        try:
            yield line.client
        finally:
            line.users -= 1
            await self._close_if_unused(key)

    async def close(self) -> None:
        """Close all connections."""
        for line in self._lines.values():
            await line.client.close()
        self._lines.clear()

    async def _close_if_unused(self, key: Key) -> None:
        line = self._lines.get(key)
        if line is not None and line.retired and not line.users:
            del self._lines[key]
            await line.client.close()

    def _new(self, secret: SecretStr) -> Key:
        key = Key("")
        client = openai.AsyncOpenAI(
            api_key=secret.get_secret_value(),
            base_url=self._config.base_url,
            max_retries=0,
            # The exchange keeps its own time for the rest.
            timeout=openai.Timeout(None, connect=self._config.connect_timeout),
            http_client=openai.DefaultAioHttpClient(verify=_trusted(), event_hooks={"response": [_as_utf8]}),
        )
        self._lines[key] = _Line(secret, client)
        return key


def _hidden(key: SecretStr | str) -> SecretStr:
    return key if isinstance(key, SecretStr) else SecretStr(key)


async def _as_utf8(response: httpx2.Response) -> None:
    """Read an answer as the JSON it should be: by another charset that a page may name, decoding could raise."""
    response.encoding = "utf-8"


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The certificates trusted for TLS, read once for all keys: that takes about 50 ms."""
    return httpx2.create_ssl_context()

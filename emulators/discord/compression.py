"""Transport compression of the gateway: one stream per connection, flushed after every frame."""

from __future__ import annotations

import contextlib
import importlib
import zlib
from types import ModuleType
from typing import Protocol


class Encoder(Protocol):
    """Turns one frame into the bytes of one websocket message."""

    def __call__(self, text: str) -> bytes: ...


def encoder(kind: str) -> Encoder | None:
    """The encoder for `kind` ("zlib-stream" or "zstd-stream"), or None if this Python cannot do it."""
    if kind == "zlib-stream":
        return _zlib_stream()
    if kind == "zstd-stream":
        return _zstd_stream()
    return None


def _zlib_stream() -> Encoder:
    context = zlib.compressobj()

    def encode(text: str) -> bytes:
        return context.compress(text.encode()) + context.flush(zlib.Z_SYNC_FLUSH)

    return encode


def _zstd_stream() -> Encoder | None:
    for name in ("compression.zstd", "backports.zstd"):
        with contextlib.suppress(ImportError):
            return _standard_zstd(importlib.import_module(name))
    try:
        zstandard = importlib.import_module("zstandard")
    except ImportError:
        return None
    stream = zstandard.ZstdCompressor().compressobj()

    def encode(text: str) -> bytes:
        frame: bytes = stream.compress(text.encode()) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        return frame

    return encode


def _standard_zstd(zstd: ModuleType) -> Encoder:
    compressor = zstd.ZstdCompressor()

    def encode(text: str) -> bytes:
        frame: bytes = compressor.compress(text.encode(), mode=compressor.FLUSH_BLOCK)
        return frame

    return encode

"""Whether a token or a web address is well formed, in words for the person who set it. Pure; None is no objection."""

from __future__ import annotations

from ipaddress import IPv6Address
from urllib.parse import urlsplit


def wrong_with_secret(value: str) -> str | None:
    """What a token or key can't have in an HTTP header, without a piece of it."""
    if any(character.isspace() for character in value):
        return "there is white space in it"
    if not (value.isascii() and value.isprintable()):
        return "there is a character in it that no key has, such as a curly quote; copy it again"
    return None


def wrong_with_address(value: str) -> str | None:
    """What keeps a value from being the address of a web service: scheme, host, port."""
    if any(character.isspace() or not character.isprintable() for character in value):
        return "there is white space in it"
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        if "[" in parts.netloc:
            IPv6Address(host)
            if parts.netloc.rpartition("]")[2][:1] not in {"", ":"}:
                return "its host can't be read"
    except ValueError:
        return "its host can't be read"
    if parts.scheme not in {"http", "https"}:
        return "it must begin with https:// or http://"
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or parts.netloc.endswith(":"):
        return "its port must be a number from 1 to 65535"
    if not host:
        return "it names no host"
    return None if ":" in host or _is_host(host) else "its host can't be read"


def _is_host(host: str) -> bool:
    try:
        ascii_host = host.encode("idna").decode("ascii")
    except UnicodeError:
        return False
    return not set(ascii_host) - set("abcdefghijklmnopqrstuvwxyz0123456789-._")

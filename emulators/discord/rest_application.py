"""REST: the gateway's address, the bot itself, its application, users, guilds and members."""

from __future__ import annotations

from aiohttp import web

from emulators.discord.errors import (
    MISSING_ACCESS,
    UNKNOWN_GUILD,
    UNKNOWN_MEMBER,
    UNKNOWN_USER,
    fail,
)
from emulators.discord.guild_payloads import guild_payload, roles_payload
from emulators.discord.payloads import (
    JSON,
    channel_payload,
    member_payload,
    thread_member_payload,
    thread_payload,
    user_payload,
)
from emulators.discord.rest import Call, Handler, answer
from emulators.discord.state import Guild


async def gateway(call: Call) -> web.Response:
    """GET /gateway."""
    return answer({"url": call.server.gateway_url})


async def gateway_bot(call: Call) -> web.Response:
    """GET /gateway/bot: the address, the recommended shards, and what is left of the identify budget."""
    server = call.server
    limit = {
        "total": server.session_start_limit,
        "remaining": max(0, server.gateway.session_starts_left),
        "reset_after": 86_400_000,
        "max_concurrency": server.max_concurrency,
    }
    return answer({"url": server.gateway_url, "shards": server.shards, "session_start_limit": limit})


async def me(call: Call) -> web.Response:
    """GET /users/@me."""
    extra = {"mfa_enabled": False, "locale": "en-US", "verified": True, "email": None}
    return answer({**user_payload(call.server.bot), **extra})


async def user(call: Call) -> web.Response:
    """GET /users/{user_id}."""
    found = call.server.world.users.get(call.snowflake("user_id"))
    if found is None:
        raise fail(UNKNOWN_USER)
    return answer(user_payload(found))


async def application(call: Call) -> web.Response:
    """GET /applications/@me and /oauth2/applications/@me."""
    server = call.server
    payload: JSON = {
        "id": str(server.application_id),
        "name": server.bot.name,
        "icon": None,
        "description": "",
        "summary": "",
        "type": None,
        "bot": user_payload(server.bot),
        "bot_public": True,
        "bot_require_code_grant": False,
        "integration_types_config": {"0": {}},
        "verify_key": "0" * 64,
        "flags": server.application_flags,
        "flags_new": str(server.application_flags),
        "explicit_content_filter": 0,
        "eligible_oauth2_scopes": ["bot", "applications.commands"],
        "owner": user_payload(next(iter(server.world.guilds.values())).owner),
        "team": None,
        "hook": True,
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "approximate_guild_count": len(server.world.guilds),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
    }
    return answer(payload)


async def my_guilds(call: Call) -> web.Response:
    """GET /users/@me/guilds."""
    return answer(
        [
            {
                "id": str(g.id),
                "name": g.name,
                "icon": None,
                "banner": None,
                "owner": False,
                "permissions": "0",
                "features": [],
            }
            for g in call.server.world.guilds.values()
        ]
    )


def guild_of(call: Call) -> Guild:
    """The guild of the path, or 10004."""
    found = call.server.world.guilds.get(call.snowflake("guild_id"))
    if found is None:
        raise fail(UNKNOWN_GUILD)
    return found


async def guild(call: Call) -> web.Response:
    """GET /guilds/{guild_id}."""
    return answer(guild_payload(guild_of(call), call.server.world))


async def guild_channels(call: Call) -> web.Response:
    """GET /guilds/{guild_id}/channels: without threads."""
    found = guild_of(call)
    channels = [c for c in call.server.world.channels.values() if c.guild is found and not c.is_thread]
    return answer([channel_payload(c, call.server.bot) for c in channels])


async def guild_roles(call: Call) -> web.Response:
    """GET /guilds/{guild_id}/roles."""
    return answer(roles_payload(guild_of(call)))


async def guild_member(call: Call) -> web.Response:
    """GET /guilds/{guild_id}/members/{user_id}."""
    found = guild_of(call)
    who = call.server.world.users.get(call.snowflake("user_id"))
    if who is None:
        raise fail(UNKNOWN_MEMBER)
    return answer(member_payload(who, found))


async def guild_members(call: Call) -> web.Response:
    """GET /guilds/{guild_id}/members: needs the privileged guild members intent."""
    found = guild_of(call)
    if not call.server.members_intent:
        raise fail(MISSING_ACCESS)
    limit = int(call.request.query.get("limit", "1"))
    after = int(call.request.query.get("after", "0"))
    people = sorted((u for u in call.server.world.users.values() if u.id > after), key=lambda u: u.id)
    return answer([member_payload(u, found) for u in people[:limit]])


async def active_threads(call: Call) -> web.Response:
    """GET /guilds/{guild_id}/threads/active."""
    bot = call.server.bot
    threads = [t for t in call.server.world.threads(guild_of(call)) if call.server.sessions_store.sees(t)]
    mine = [thread_member_payload(t, bot.id) for t in threads if bot.id in t.members]
    return answer({"threads": [thread_payload(t, bot) for t in threads], "members": mine, "has_more": False})


TABLE: list[tuple[str, str, Handler]] = [
    ("GET", "/gateway", gateway),
    ("GET", "/gateway/bot", gateway_bot),
    ("GET", "/users/@me", me),
    ("GET", "/users/@me/guilds", my_guilds),
    ("GET", "/users/{user_id}", user),
    ("GET", "/applications/@me", application),
    ("GET", "/oauth2/applications/@me", application),
    ("GET", "/guilds/{guild_id}", guild),
    ("GET", "/guilds/{guild_id}/channels", guild_channels),
    ("GET", "/guilds/{guild_id}/roles", guild_roles),
    ("GET", "/guilds/{guild_id}/members", guild_members),
    ("GET", "/guilds/{guild_id}/members/{user_id}", guild_member),
    ("GET", "/guilds/{guild_id}/threads/active", active_threads),
]

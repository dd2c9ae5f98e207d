"""What a client's gateway frames do: identify, resume, presence, member requests.

The socket they come over, heartbeats and closing included, is `gateway.py`'s.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from emulators.discord.guild_payloads import guild_create_payload
from emulators.discord.payloads import member_payload, user_payload
from emulators.discord.sessions import GUILD_MEMBERS, GUILD_PRESENCES, GUILDS, KNOWN_INTENTS, Connection, Session

if TYPE_CHECKING:
    from emulators.discord.core import Core
    from emulators.discord.gateway import Gateway


class Closing(Exception):
    """Raised to close the connection with a code and Discord's reason."""

    def __init__(self, code: int, why: str = "") -> None:
        super().__init__(code, why)
        self.code = code
        self.why = why


def receive(gateway: Gateway, connection: Connection, op: int, data: Any) -> None:
    """Carry out one frame that is no heartbeat; raises `Closing` where Discord would hang up."""
    if op == 2:
        identify(gateway, connection, data)
    elif op == 6:
        resume(gateway, connection, data)
    elif op not in {3, 4, 8, 31, 43}:
        raise Closing(4001, f"opcode {op}")
    elif connection.session is None:
        raise Closing(4003, f"opcode {op} before identify")
    elif not isinstance(data, dict):
        raise Closing(4002, f"opcode {op} without an object")
    elif op == 3:
        update_presence(connection.session, data)
    elif op == 8:
        send_members(gateway.server, connection.session, data)
    else:
        gateway.server.complain(f"gateway: opcode {op} is not emulated")


def identify(gateway: Gateway, connection: Connection, data: Any) -> None:
    """Op 2: check token, intents, shard and pace, then open a session and greet it."""
    if connection.session is not None:
        raise Closing(4005)
    if not isinstance(data, dict) or not isinstance(data.get("properties"), dict):
        raise Closing(4002, "identify without properties")
    if data.get("token") != gateway.server.token or gateway.server.token_reset:
        raise Closing(4004)
    intents = data.get("intents")
    if not isinstance(intents, int) or intents < 0 or intents & ~KNOWN_INTENTS:
        raise Closing(4013, f"intents {intents!r}")
    if intents & ~gateway.server.allowed_intents:
        raise Closing(4014, f"intents {intents}")
    shard = data.get("shard", [0, 1])
    if not valid_shard(shard):
        raise Closing(4010, f"shard {shard!r}")
    if not may_identify(gateway, shard[0]):
        gateway.server.complain("gateway: identify faster than one per five seconds")
        connection.send(gateway.server.encode({"t": None, "s": None, "op": 9, "d": False}))
        return
    session = Session(secrets.token_hex(16), intents, (shard[0], shard[1]), connection=connection)
    session.presence = data.get("presence")
    connection.session = session
    gateway.server.sessions_store.all.append(session)
    gateway.server.identifies += 1
    greet(gateway.server, session, sharded="shard" in data)


def valid_shard(shard: Any) -> bool:
    """Whether this is a shard's [number, count]."""
    if not isinstance(shard, list) or len(shard) != 2 or not all(isinstance(n, int) for n in shard):
        return False
    return bool(0 <= shard[0] < shard[1])


def may_identify(gateway: Gateway, shard_id: int) -> bool:
    """Spend one session start; False if it came too soon after the last in its slot. Past the last, the token goes."""
    gateway.session_starts_left -= 1
    if gateway.session_starts_left < 0:
        gateway.server.reset_token()
        raise Closing(4004, "session start limit passed: the token was reset")
    if not gateway.server.limits_on:
        return True
    now = time.monotonic()
    slot = shard_id % gateway.server.max_concurrency
    early = now - gateway.identified_at.get(slot, -1e9) < gateway.server.timing.identify_spacing
    if not early:
        gateway.identified_at[slot] = now
    return not early


def greet(server: Core, session: Session, *, sharded: bool) -> None:
    """READY, then a GUILD_CREATE for each guild of the shard."""
    world = server.world
    shard, count = session.shard
    guilds = [g for g in world.guilds.values() if (g.id >> 22) % count == shard]
    ready: dict[str, Any] = {
        "v": 10,
        "user": {**user_payload(server.bot), "verified": True, "mfa_enabled": False, "email": None},
        "user_settings": {},
        "session_type": "normal",
        "session_id": session.id,
        "resume_gateway_url": server.resume_gateway_url,
        "relationships": [],
        "private_channels": [],
        "presences": [],
        "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
        "guild_join_requests": [],
        "geo_ordered_rtc_regions": [],
        "auth": {},
        "application": {"id": str(server.application_id), "flags": server.application_flags},
        "_trace": [],
    }
    if sharded:
        ready["shard"] = [shard, count]
    server.sessions_store.send(session, "READY", ready)
    if session.wants(GUILDS):
        for guild in guilds:
            announce(server, session, guild.id)


def announce(server: Core, session: Session, guild_id: int) -> None:
    """Send a session the GUILD_CREATE of a guild."""
    world = server.world
    guild = world.guilds[guild_id]
    store = server.sessions_store
    visible = [c for c in world.channels.values() if c.guild is guild and store.sees(c)]
    all_members = session.wants(GUILD_PRESENCES)
    store.send(
        session,
        "GUILD_CREATE",
        guild_create_payload(guild, world, server.bot, visible, all_members=all_members),
    )


def resume(gateway: Gateway, connection: Connection, data: Any) -> None:
    """Op 6: replay what the client has not seen, then RESUMED; or op 9 where the session is gone."""
    if connection.session is not None:
        raise Closing(4005)
    if not isinstance(data, dict) or not {"token", "session_id", "seq"} <= data.keys():
        raise Closing(4002, "resume without token, session_id and seq")
    if data["token"] != gateway.server.token or gateway.server.token_reset:
        raise Closing(4004)
    session = gateway.server.sessions_store.find(data["session_id"])
    lost = session.lost_at if session is not None else None
    stale = lost is not None and time.monotonic() - lost > gateway.server.timing.resume_window
    if session is None or stale:
        if session is not None:
            gateway.server.sessions_store.end(session)
        connection.send(gateway.server.encode({"t": None, "s": None, "op": 9, "d": False}))
        return
    seq = data["seq"]
    if not isinstance(seq, int) or seq < 0 or seq > session.seq:
        gateway.server.sessions_store.end(session)
        raise Closing(4007, f"sequence {seq!r}")
    if session.connection is not None:
        session.connection.session = None
        session.connection.close(4000)
    session.connection = connection
    session.lost_at = None
    session.resumes += 1
    connection.session = session
    for number, frame in session.log:
        if number > seq:
            connection.dispatch(frame)
    gateway.server.sessions_store.send(session, "RESUMED", {"_trace": []})


def update_presence(session: Session, data: dict[str, Any]) -> None:
    """Op 3: keep the presence."""
    if data.get("status") not in {"online", "dnd", "idle", "invisible", "offline"}:
        raise Closing(4002, f"presence status {data.get('status')!r}")
    if not isinstance(data.get("activities"), list) or not isinstance(data.get("afk"), bool):
        raise Closing(4002, "presence without activities or afk")
    session.presence = data


def send_members(server: Core, session: Session, data: dict[str, Any]) -> None:
    """Op 8: answer a member request by GUILD_MEMBERS_CHUNK."""
    world = server.world
    raw = data.get("guild_id")
    guild = world.guilds.get(int(str(raw))) if str(raw).isdecimal() else None
    query, user_ids = data.get("query"), data.get("user_ids")
    if guild is None or (query is None) == (user_ids is None):
        raise Closing(4002, "request guild members needs a guild_id and one of query and user_ids")
    if query == "" and data.get("limit") == 0 and not session.intents & GUILD_MEMBERS:
        server.complain("gateway: the whole member list needs the guild members intent")
        return
    if user_ids is not None:
        wanted = [str(i) for i in (user_ids if isinstance(user_ids, list) else [user_ids])]
        found = [u for u in world.users.values() if str(u.id) in wanted]
        missing = [i for i in wanted if int(i) not in world.users]
    else:
        limit = int(data.get("limit") or 0) or len(world.users)
        start = str(query).lower()
        found = [u for u in world.users.values() if (u.nick or u.name).lower().startswith(start)][:limit]
        missing = []
    chunk: dict[str, Any] = {
        "guild_id": str(guild.id),
        "members": [member_payload(user, guild) for user in found],
        "chunk_index": 0,
        "chunk_count": 1,
        "not_found": missing,
    }
    nonce = data.get("nonce")
    if isinstance(nonce, str) and len(nonce.encode()) <= 32:
        chunk["nonce"] = nonce
    server.sessions_store.send(session, "GUILD_MEMBERS_CHUNK", chunk)

"""The emulated Discord held against what Discord publishes: its answers by the OpenAPI document, the frames and
requests of the real discord.py by the rules the product is judged with. Skipped where the document is not at hand."""

from __future__ import annotations

import importlib.util
import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import discord
import pytest

from emulators.discord import DiscordServer
from tests.emulators.discord_clients import connected

CONTRACT = Path(__file__).parents[2].parent / "shared" / "contract" / "contract.py"
pytestmark = pytest.mark.skipif(not CONTRACT.exists(), reason="the published documents are not here")


@pytest.fixture(scope="module")
def contract() -> ModuleType:
    """The judging module."""
    spec = importlib.util.spec_from_file_location("contract", CONTRACT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def problems(contract: ModuleType, method: str, path: str, status: int, body: Any) -> list[str]:
    """What the document has against an answer."""
    _, operation = contract.find("discord", method, path)
    if operation is None:
        return [f"{method} {path}: no such operation"]
    document = contract.load("discord")[0]
    response = contract.resolve(document, operation["responses"].get(str(status)))
    if response is None:
        return [f"{method} {path}: status {status} is not in the document"]
    if "content" not in response:
        return [] if body is None else [f"{method} {path}: a body where none is documented"]
    schema = response["content"]["application/json"]["schema"]
    checker = contract.validator("discord", schema, strict=False)
    return [f"{method} {path}: {contract.describe(e)}" for e in checker.iter_errors(body)]


async def test_answers_have_the_documented_shape(contract: ModuleType) -> None:
    found: list[str] = []
    async with DiscordServer(limits="none", members_intent=True) as server, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bot {server.token}", "User-Agent": "DiscordBot (https://example.org, 1)"}

        async def call(method: str, path: str, expected: int = 200, **how: Any) -> Any:
            async with session.request(method, server.url + path, headers=headers, **how) as response:
                text = await response.text()
                body = json.loads(text) if text else None
                assert response.status == expected, text
                path = path.partition("?")[0]
                found.extend(problems(contract, method, f"/api/v10{path}", response.status, body))
                return body

        alice, role = server.add_user("alice", nick="Al"), server.add_role("staff")
        channel, guild, app = server.add_channel("general", "topic"), server.guild.id, server.application_id
        here = f"/channels/{channel.id}"
        for path in ("/gateway", "/gateway/bot", "/users/@me", "/applications/@me", "/oauth2/applications/@me"):
            await call("GET", path)
        for path in ("", "/channels", "/roles", "/members?limit=10", f"/members/{alice.id}", "/threads/active"):
            await call("GET", f"/guilds/{guild}{path}")
        await call("GET", f"/users/{alice.id}")
        await call("GET", "/users/@me/guilds")
        await call("GET", here)
        question = await server.say(alice, channel, f"hi <@&{role.id}> @everyone", mention=True)
        await server.react(alice, question, "👍")
        reference = {"message_id": str(question.id)}
        row = {"type": 1, "components": [{"type": 2, "style": 1, "label": "Stop", "custom_id": "stop"}]}
        body = {
            "content": "hello",
            "message_reference": reference,
            "nonce": "n",
            "enforce_nonce": True,
            "components": [row],
        }
        sent = await call("POST", f"{here}/messages", json=body)
        await call("POST", f"{here}/messages", json={"embeds": [{"description": "x", "title": "y"}]})
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("payload_json", json.dumps({"content": "x", "attachments": [{"id": "0", "description": "a"}]}))
        form.add_field("files[0]", io.BytesIO(b"data"), filename="a.txt", content_type="text/plain")
        await call("POST", f"{here}/messages", data=form)
        message = f"{here}/messages/{sent['id']}"
        await call("PATCH", message, json={"content": "better"})
        await call("GET", message)
        await call("GET", f"{here}/messages?limit=5")
        await call("PUT", f"{here}/messages/{question.id}/reactions/%F0%9F%91%8D/@me", 204)
        await call("GET", f"{here}/messages/{question.id}/reactions/%F0%9F%91%8D")
        await call("DELETE", f"{here}/messages/{question.id}/reactions/%F0%9F%91%8D/@me", 204)
        await call("POST", f"{here}/typing", 204)
        thread = await call("POST", f"{here}/messages/{question.id}/threads", 201, json={"name": "t"})
        await call("POST", f"{here}/threads", 201, json={"name": "u", "type": 11})
        await call("GET", f"{here}/messages?limit=5")
        inside = f"/channels/{thread['id']}"
        await call("GET", inside)
        await call("GET", f"{inside}/messages")
        await call("GET", f"{inside}/thread-members")
        await call("PUT", f"{inside}/thread-members/{alice.id}", 204)
        await call("GET", f"{inside}/thread-members/{alice.id}")
        await call("PATCH", inside, json={"name": "v", "archived": True})
        await call("GET", f"{here}/threads/archived/public")
        await call("DELETE", message, 204)
        dm = await call("POST", "/users/@me/channels", json={"recipient_id": str(alice.id)})
        await call("POST", f"/channels/{dm['id']}/messages", json={"content": "psst"})
        command = {"name": "parley", "description": "x", "options": [{"type": 3, "name": "a", "description": "b"}]}
        await call("PUT", f"/applications/{app}/commands", json=[command])
        (kept,) = await call("GET", f"/applications/{app}/commands")
        await call("GET", f"/applications/{app}/commands/{kept['id']}")
        await call("POST", f"/applications/{app}/commands", json=command)
        await call("POST", f"/applications/{app}/guilds/{guild}/commands", 201, json={**command, "name": "other"})
        interaction = await server.slash(alice, channel, "parley", None, {"a": "b"})
        answer = {"type": 4, "data": {"content": "done", "flags": 64}}
        callback = f"/interactions/{interaction.id}/{interaction.token}/callback"
        await call("POST", f"{callback}?with_response=true", json=answer)
        webhook = f"/webhooks/{app}/{interaction.token}"
        await call("GET", f"{webhook}/messages/@original")
        await call("PATCH", f"{webhook}/messages/@original", json={"content": "more"})
        await call("POST", webhook, json={"content": "follow-up"})
        await call("DELETE", f"{webhook}/messages/@original", 204)
    assert not found, "\n".join(sorted(set(found)))


async def test_what_discord_py_sends_is_published_too(contract: ModuleType) -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            await server.say(alice, channel, "hi", mention=True)
            message = await client.next_message()
            await message.reply("hello", nonce="n", file=discord.File(io.BytesIO(b"x"), "x.txt"))
            thread = await message.create_thread(name="t")
            await thread.send("inside", allowed_mentions=discord.AllowedMentions.none())
            await message.add_reaction("👍")
            await client.change_presence(status=discord.Status.idle)
            await server.wait_for(lambda: server.sessions[0].presence)
        said = [r for r in server.requests if r.service == "discord"]
        assert len(said) == 6
        for r in said:
            assert contract.check("discord", r.method, r.path, r.query, dict(r.headers), r.body) == []
        assert {frame["op"] for frame in server.frames} == {1, 2, 3}
        for frame in server.frames:
            assert contract.check_gateway_frame(frame) == []
    assert server.complaints == []

"""The Web API's oddest answers, from a server that gives any; and the look-ups' cache on its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from adapters.slack.failures import SlackFault, as_delivery_failure, ask
from adapters.slack.names import Lookups
from adapters.slack.web import open_session, proxy_for, web_client
from bot.errors import DeliveryDelayed, DeliveryUncertain
from emulators.faults import Fault
from emulators.slack import SlackWorkspace


@asynccontextmanager
async def answering(*, body: bytes, content_type: str | None, status: int = 200) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(
            body=body,
            status=status,
            headers={"Content-Type": content_type, "Retry-After": "soon"} if content_type else {},
        )

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("status", [200, 404, 503])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"ok", "text/plain"),
        (b"\xff\xfe", "text/plain; charset=utf-8"),
        (b"ok", "application/gzip"),
        (b"<html>", "text/html"),
        (b"<html>", "application/json"),
        (b"\xff\xfe", "application/json; charset=utf-8"),
        (b"{}", "application/json; charset=zlib"),
        (b"ok", "text/plain; charset=utf-16"),
        (b"[1]", "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b'"ok"', "application/json"),
        (b"", "application/json"),
        (b"{}", "application/json"),
        (b'{"ok": true}', "text/html"),
        (b'{"ok": false, "error": 5}', "application/json"),
        (b'{"ok": false, "error": ""}', "application/json"),
        (b"", None),
    ],
)
async def test_an_answer_that_is_none_leaves_everything_uncertain(
    body: bytes, content_type: str | None, status: int
) -> None:
    async with answering(body=body, content_type=content_type, status=status) as url, open_session(2.0) as session:
        web_api = web_client("xoxb-1", url, 2.0)
        web_api.session = session
        with pytest.raises(SlackFault) as fault:
            await ask(web_api.chat_postMessage(channel="C1", text="x"))
    assert not fault.value.refused
    assert isinstance(as_delivery_failure(fault.value), DeliveryUncertain)


@pytest.mark.parametrize(("retry_after", "seconds"), [(None, 5.0), (0.0, 0.25), (30.0, 30.0)])
def test_a_limit_without_a_time_is_given_one(retry_after: float | None, seconds: float) -> None:
    failure = as_delivery_failure(SlackFault("ratelimited", status=429, refused=True, retry_after=retry_after))
    assert isinstance(failure, DeliveryDelayed)
    assert failure.retry_after == seconds


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://slack.com/api/", "http://secure:1"),
        ("wss://slack.com/link", "http://secure:1"),
        ("http://example.org/api/", "http://plain:1"),
        ("ws://example.org/link", "http://plain:1"),
        ("http://localhost:8080/api/", None),
        ("http://127.0.0.1:8080/api/", None),
        ("https://inner.example.com/api/", None),
    ],
)
def test_the_proxy_is_the_environments_and_no_proxy_is_honoured(
    monkeypatch: pytest.MonkeyPatch, url: str, proxy: str | None
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://plain:1")
    monkeypatch.setenv("https_proxy", "http://secure:1")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1,.example.com")
    assert proxy_for(url) == proxy


class Source:
    """Answers look-ups by a plan, and counts them."""

    def __init__(self, answer: Callable[[str], Awaitable[str | None]]) -> None:
        self.asked: list[str] = []
        self._answer = answer

    async def __call__(self, i: str) -> str | None:
        self.asked.append(i)
        return await self._answer(i)


async def upper(i: str) -> str:
    await asyncio.sleep(0.01)
    return i.upper()


@pytest.mark.parametrize("said", ["what people said", "x" * 81, "\ud800", "a\nb"])
async def test_a_code_that_is_none_of_slacks_is_kept_out_of_the_log(slack: SlackWorkspace, said: str) -> None:
    slack.faults.add("auth.test", Fault("answer", 200, body={"ok": False, "error": said}))
    async with open_session(5) as session:
        web = web_client(slack.bot_token, slack.url, 5)
        web.session = session
        with pytest.raises(SlackFault) as fault:
            await ask(web.auth_test())
    assert (fault.value.code, fault.value.refused) == ("unknown_error", True)


async def test_many_who_ask_at_once_share_one_look_up() -> None:
    source = Source(upper)
    lookups = Lookups("user", source)
    found = await asyncio.gather(*(lookups.find(["a", "b"], within=1.0) for _ in range(10)))
    assert all(one == {"a": "A", "b": "B"} for one in found)
    assert sorted(source.asked) == ["a", "b"]
    assert await lookups.find([], within=1.0) == {}


async def test_an_entry_is_asked_for_again_after_its_time_and_kept_if_that_fails() -> None:
    failing = False

    async def answer(i: str) -> str:
        if failing:
            raise SlackFault("ratelimited", status=429, retry_after=0.05)
        return i

    source = Source(answer)
    lookups = Lookups("user", source, kept=0.05, kept_failed=0.01)
    assert await lookups.find(["a"], within=1.0) == {"a": "a"}
    await asyncio.sleep(0.06)
    failing = True
    assert await lookups.find(["a"], within=1.0) == {"a": "a"}
    assert await lookups.find(["a"], within=1.0) == {"a": "a"}
    assert source.asked == ["a", "a"]
    await asyncio.sleep(0.06)
    await lookups.find(["a"], within=1.0)
    assert source.asked == ["a", "a", "a"]


async def test_what_has_no_name_is_remembered_as_such() -> None:
    async def nobody(i: str) -> str | None:
        return None

    source = Source(nobody)
    lookups = Lookups("user", source)
    assert await lookups.find(["a"], within=1.0) == {}
    assert await lookups.find(["a"], within=1.0) == {}
    assert source.asked == ["a"]


async def test_the_cache_is_bounded_and_the_oldest_go_first() -> None:
    source = Source(upper)
    lookups = Lookups("user", source, most=2)
    for i in ("a", "b", "c"):
        await lookups.find([i], within=1.0)
    await lookups.find(["b", "c"], within=1.0)
    await lookups.find(["a"], within=1.0)
    assert source.asked == ["a", "b", "c", "a"]


async def test_closing_ends_what_is_under_way() -> None:
    async def never(i: str) -> str:
        await asyncio.sleep(60.0)
        return i

    lookups = Lookups("user", Source(never))
    assert await lookups.find(["a"], within=0.01) == {}
    await lookups.close()
    assert len(asyncio.all_tasks()) == 1


def pass_time(seconds: float) -> None:
    """Let the loop's clock be so much later, at once."""
    loop = asyncio.get_running_loop()
    clock = loop.time
    loop.time = lambda: clock() + seconds  # type: ignore[method-assign]


async def test_an_entry_fades_after_its_time_unless_it_is_asked_for_fresh() -> None:
    source = Source(upper)
    lookups = Lookups("user", source, whole=60.0, fade=lambda name: name.lower())
    assert await lookups.find(["a"], within=1.0, fresh=["a"]) == {"a": "A"}
    assert source.asked == ["a"]
    pass_time(61.0)
    assert await lookups.find(["a"], within=1.0) == {"a": "a"}
    assert await lookups.find(["a"], within=1.0, fresh=["b"]) == {"a": "a"}
    assert source.asked == ["a"]
    assert await lookups.find(["a"], within=1.0, fresh=["a"]) == {"a": "A"}
    assert source.asked == ["a", "a"]


@pytest.mark.parametrize("refused", [True, False])
async def test_what_cannot_be_had_fresh_comes_faded_and_is_not_asked_for_each_time(refused: bool) -> None:
    failing = False

    async def answer(i: str) -> str:
        if failing:
            raise SlackFault("fatal_error", status=500, refused=refused)
        return i.upper()

    source = Source(answer)
    lookups = Lookups("user", source, whole=60.0, fade=lambda name: name.lower())
    assert await lookups.find(["a"], within=1.0) == {"a": "A"}
    failing = True
    pass_time(61.0)
    assert await lookups.find(["a"], within=1.0, fresh=["a"]) == {"a": "a"}
    assert await lookups.find(["a"], within=1.0, fresh=["a"]) == {"a": "a"}
    assert source.asked == ["a", "a"]
    failing = False
    pass_time(30.0)
    assert await lookups.find(["a"], within=1.0, fresh=["a"]) == {"a": "a" if refused else "A"}
    pass_time(31.0)
    assert await lookups.find(["a"], within=1.0, fresh=["a"]) == {"a": "A"}


async def test_what_does_not_come_fresh_in_time_comes_faded() -> None:
    slow = asyncio.Event()
    slow.set()

    async def answer(i: str) -> str:
        await slow.wait()
        return i.upper()

    lookups = Lookups("user", Source(answer), whole=60.0, fade=lambda name: name.lower())
    assert await lookups.find(["a"], within=5.0) == {"a": "A"}
    slow.clear()
    pass_time(61.0)
    assert await lookups.find(["a"], within=0.02, fresh=["a"]) == {"a": "a"}
    await lookups.close()

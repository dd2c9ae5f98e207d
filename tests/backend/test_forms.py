"""Prompts in a form that a model does not take: sent again at once without it, and so from then on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.backend.completion import CompletionRequest, ModelMessage, Picture, Role
from bot.backend.forms import NEIGHBOURS, PICTURES, SYSTEM, forms_of, written
from bot.errors import ModelRefused
from emulators.openai import OpenAIService
from tests.backend.asking import ask, backend
from tests.backend.imitator import Imitator, Plain, Stream, delta, imitating

PNG = Picture("data:image/png;base64,iVBORw0KGgo=", 85)
SHOWN = {"type": "image_url", "image_url": {"url": PNG.url}}
UNSEEN = "[A picture is left out here: you can be shown none. You have not seen it.]"
FINE = Stream((delta("Hello", "stop"),))
ALTERNATE = "Conversation roles must alternate user/assistant/user/assistant/..."
NO_SYSTEM = "System role not supported"
Said = tuple[Role, str, int]


def prompt(*said: Said, model: str = "llama") -> CompletionRequest:
    """A question of messages, each with its role, its text and how many pictures came with it."""
    return CompletionRequest(model, tuple(ModelMessage(role, text, (PNG,) * count) for role, text, count in said))


def words(message: str, status: int = 400, **more: Any) -> Plain:
    return Plain({"error": {"message": message, "type": "BadRequestError", "code": status, **more}}, status)


def sent(server: Imitator) -> list[list[tuple[str, Any]]]:
    return [[(message["role"], message["content"]) for message in body["messages"]] for body in server.bodies]


SEEN = prompt(("system", "Be kind.", 0), ("user", "Ada: what is this?", 1))
TALK = prompt(("system", "Be kind.", 0), ("user", "Ada: one", 0), ("user", "Bob: two", 0))


@pytest.mark.parametrize(
    "refusal",
    [
        words(
            "Failed to deserialize the JSON body: messages[1]: unknown variant `image_url`, expected `text` at line 1"
        ),
        words("Invalid content type. image_url is only supported by certain models.", param="messages.[1].content.[1]"),
        words("this model does not support image input"),
        words("Model does not support images. Please use a model that does."),
        words("llama is not a multimodal model"),
        words("At most 0 image(s) may be provided in one request."),
        words("Image inputs are not supported by this model."),
        words("messages[1].content must be a string", param="messages.1.content"),
        words("No endpoints found that support image input", 404),
        words("image input is not supported - hint: you may need to provide the mmproj", 500, type="server_error"),
        Plain({"detail": [{"loc": ["body", "messages", 1, "content"], "msg": "str type expected"}]}, 422),
        Stream((f"event: error\ndata: {json.dumps({'error': {'message': 'This model does not support images.'}})}",)),
    ],
    ids=lambda refusal: str(getattr(refusal, "body", "in a stream"))[:60],
)
async def test_a_model_that_sees_no_pictures_is_told_of_them_and_sent_none_any_more(refusal: Plain | Stream) -> None:
    async with imitating(refusal, FINE, FINE) as server, backend(server.url, breaker_threshold=1) as asked:
        assert asked.sees_pictures("llama")
        for attempts in (2, 1):
            answer = await ask(asked, SEEN)
            assert answer.finished.attempts == attempts
            assert not answer.waits
        assert not asked.sees_pictures("llama")
        assert asked.sees_pictures("another")
    first, *again = sent(server)
    assert first[1] == ("user", [{"type": "text", "text": "Ada: what is this?"}, SHOWN])
    assert again == [[("system", "Be kind."), ("user", f"Ada: what is this?\n{UNSEEN}")]] * 2


@pytest.mark.parametrize(
    "said",
    [
        "This model does not support image format tiff.",
        "You uploaded an unsupported image.",
        "Image is too large.",
        "The model does not support image/gif",
        "This model does not support images larger than 20 MB",
        "The model does not support images with transparency",
        "Animated images are not supported.",
    ],
)
async def test_a_picture_that_is_refused_for_itself_says_nothing_of_the_model(said: str) -> None:
    async with imitating(words(said, code="invalid_image")) as server, backend(server.url) as asked:
        assert type((await ask(asked, SEEN)).failure) is ModelRefused
        assert asked.sees_pictures("llama")


async def test_openais_text_only_models_are_answered_for_with_an_estimate_of_what_was_sent(
    service: OpenAIService,
) -> None:
    async with backend(service.url) as asked:
        answer = await ask(asked, prompt(("user", "What is this?", 2), model="o3-mini"))
    assert answer.text
    assert [call.status for call in service.calls] == [400, 200]
    assert "2 pictures are left out here" in service.calls[1].body["messages"][0]["content"]


async def test_the_usage_of_what_was_sent_without_pictures_is_estimated_without_them() -> None:
    async with imitating(words("this model does not support images"), FINE) as server, backend(server.url) as asked:
        usage = (await ask(asked, SEEN)).finished.usage
    assert usage.estimated
    assert usage.prompt_tokens < PNG.tokens


@pytest.mark.parametrize(
    "refusal",
    [
        words(ALTERNATE),
        words("After the optional system message, conversation roles must alternate user and assistant roles"),
        words("After the (optional) system message(s), user and assistant roles should be alternating.", param=None),
        words("deepseek-reasoner does not support successive user or assistant messages (messages[1] and messages[2])"),
        words(f"Template error: {ALTERNATE}", 500, type="server_error"),
    ],
    ids=lambda refusal: refusal.body["error"]["message"][:40],
)
async def test_neighbours_of_one_role_are_sent_as_one_to_a_model_that_wants_turns(refusal: Plain) -> None:
    async with imitating(refusal, FINE, FINE) as server, backend(server.url) as asked:
        for attempts in (2, 1):
            assert (await ask(asked, TALK)).finished.attempts == attempts
    first, *again = sent(server)
    assert first == [("system", "Be kind."), ("user", "Ada: one"), ("user", "Bob: two")]
    assert again == [[("system", "Be kind."), ("user", "Ada: one\n\nBob: two")]] * 2


@pytest.mark.parametrize(
    "said",
    [NO_SYSTEM, "Only user and assistant roles are supported!", "Developer instruction is not enabled for gemma"],
)
async def test_a_system_message_goes_before_what_was_said_first_where_it_is_refused(said: str) -> None:
    async with imitating(words(said), FINE, FINE) as server, backend(server.url) as asked:
        for attempts in (2, 1):
            assert (await ask(asked, TALK)).finished.attempts == attempts
    assert sent(server)[1:] == [[("user", "Be kind.\n\nAda: one"), ("user", "Bob: two")]] * 2


async def test_a_template_that_counts_the_system_message_as_out_of_turn_gets_neither() -> None:
    refusal = words(ALTERNATE)
    async with imitating(refusal, refusal, FINE, refusal) as server, backend(server.url) as asked:
        assert (await ask(asked, TALK)).finished.attempts == 3
        assert type((await ask(asked, TALK)).failure) is ModelRefused, "there is nothing left to do without"
    assert sent(server)[2] == [("user", "Be kind.\n\nAda: one\n\nBob: two")]


def test_texts_and_pictures_keep_their_order_where_messages_become_one() -> None:
    talk = prompt(("user", "one", 1), ("user", "two", 0), ("user", "three", 2), ("assistant", "four", 0)).messages
    text, other = {"type": "text", "text": "one"}, {"type": "text", "text": "two\n\nthree"}
    assert written(talk, {NEIGHBOURS}) == [
        {"role": "user", "content": [text, SHOWN, other, SHOWN, SHOWN]},
        {"role": "assistant", "content": "four"},
    ]


def test_a_conversation_that_begins_with_an_answer_begins_with_the_system_message_where_that_is_a_persons() -> None:
    talk = prompt(("system", "Be kind.", 0), ("assistant", "one", 0), ("user", "two", 0)).messages
    assert [message["role"] for message in written(talk, {SYSTEM})] == ["user", "assistant", "user"]


def test_what_was_refused_is_in_it_no_more() -> None:
    everything = prompt(("system", "Be kind.", 0), ("user", "one", 1), ("user", "two", 0)).messages
    assert forms_of(written(everything, ())) == {PICTURES, NEIGHBOURS, SYSTEM}
    for refused in ({PICTURES}, {NEIGHBOURS}, {SYSTEM}, {PICTURES, NEIGHBOURS, SYSTEM}):
        assert forms_of(written(everything, refused)) == {PICTURES, NEIGHBOURS, SYSTEM} - refused

"""What a provider's refusal means: SDK exceptions and error events of a stream → the closed list in `bot.errors`.

Pure mapping. It goes by status, code, type and param; a message's words are looked at only where a server gives nothing
else to go by, or one code for what passes and what never will. `detail` carries identifiers alone, never a message:
providers quote keys there.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import openai
import orjson

from bot.backend.forms import refused_form
from bot.backend.parameters import LIMITS
from bot.backend.waits import retry_after
from bot.errors import (
    ContentRefused,
    ContextTooLong,
    KeyRefused,
    ModelFailure,
    ModelRateLimited,
    ModelRefused,
    ModelUnavailable,
    ModelUnknown,
    ParameterRefused,
    QuotaExhausted,
    RequestTooLarge,
)

QUOTA = {"insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached", "billing_not_active"}
QUOTA_ENDINGS = ("_spend_limit_exceeded", "_usage_limit_exceeded")
RATE = {"rate_limit_exceeded", "rate_limit_error", "slow_down", "too_many_requests"}
CONTEXT = {"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"}
CONTENT = {"content_policy_violation", "content_filter", "invalid_prompt", "responsibleaipolicyviolation"}
UNKNOWN_MODEL = {"model_not_found", "deploymentnotfound", "invalid_model"}
KEY = {"invalid_api_key", "missing_api_key", "account_deactivated"}
TRANSIENT = {"server_error", "internal_error", "internal_server_error", "service_unavailable", "server_is_overloaded",
             "engine_overloaded", "overloaded_error", "timeout"}  # fmt: skip
SAYS_NOTHING = {"", "invalid_request_error", "badrequesterror", "bad_request", "error"}
"""Codes that only repeat the status, as compatible servers give them."""
REFUSED_VALUE = ("_above_max_value", "_below_min_value")
PROMPT = {"", "messages", "prompt", "input_tokens", *LIMITS}
"""What is named as refused where the prompt is too long, or with the longest answer that was asked for."""

_CONTEXT_WORDS = re.compile(r"\bcontext (length|size|window)\b|\bmaximum model length\b", re.IGNORECASE)
_TOO_LARGE_WORDS = re.compile(r"\brequest too large\b|\bmust be reduced\b", re.IGNORECASE)
_TOKEN_WORDS = re.compile(r"\btokens?\b|\bTP[MD]\b", re.IGNORECASE)
_SHARE_WORDS = re.compile(r"\blimit:? (\d[\d,]{0,15})\b.{0,80}\brequested:? (\d[\d,]{0,15})", re.IGNORECASE | re.DOTALL)
_IDENTIFIER = re.compile(r"[\w.\-\[\]]{1,64}")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A failure and what the retry owner has to know beside it.

    `retry_after` in seconds where the provider named it. `droppable`: the request may go again without the parameter or
    form that `ParameterRefused` names, because the model does not know it, not just its value. `silent`: no token had
    come when the time was up. `code` is the provider's own word, in lower case.
    """

    failure: ModelFailure
    retry_after: float | None = None
    request_id: str = ""
    droppable: bool = False
    silent: bool = False
    code: str = ""


@dataclass(frozen=True, slots=True)
class _Facts:
    status: int
    code: str
    type: str
    param: str
    words: str
    places: tuple[str, ...]
    moderated: bool

    @property
    def names(self) -> set[str]:
        return {self.code.lower(), self.type.lower()}

    @property
    def codeless(self) -> bool:
        """No code says why."""
        return self.code.isdigit() or self.code.lower() in SAYS_NOTHING

    @property
    def silent(self) -> bool:
        """Nothing machine-readable says why."""
        return not self.param and self.codeless

    @property
    def too_long(self) -> bool:
        """The words alone say that the prompt is, or the prompt with the longest answer that was asked for.

        vLLM names as `param` then whichever it would have shorter (`input_tokens`, `max_tokens`), though it takes both.
        """
        return self.codeless and self.param in PROMPT and _CONTEXT_WORDS.search(self.words) is not None

    @property
    def too_large(self) -> bool:
        """One request asks for more tokens than a minute's limit has: a rate limit by its code, which no wait ends."""
        if self.type.lower() != "tokens" and not _TOKEN_WORDS.search(self.words):
            return False  # of requests, or of calls at a time, there is room for one again
        if self.status == 413 or _TOO_LARGE_WORDS.search(self.words):
            return True
        share = _SHARE_WORDS.search(self.words)
        limit, requested = (int(figure.replace(",", "")) for figure in share.groups()) if share else (0, 0)
        return 0 < limit < requested  # a limit of nothing is a model that the key may not ask at all


def diagnose(error: openai.APIStatusError, sent: Collection[str], now: datetime) -> Diagnosis:
    """What `error` means; `sent` is what the request could have done without."""
    headers = error.response.headers
    facts = _facts(error.body, error.status_code)
    failure, droppable = _failure(facts, sent)
    named = retry_after(headers, now)
    if isinstance(failure, ModelRateLimited):
        failure.retry_after = named
    return Diagnosis(failure, named, _identifier(error.request_id), droppable, code=_identifier(facts.code).lower())


def diagnose_event(body: object, sent: Collection[str], request_id: str = "") -> Diagnosis:
    """What an error inside a stream that began with status 200 means; unknown ones count as transient."""
    failure, droppable = _failure(_facts(body, 0), sent)
    return Diagnosis(failure, None, _identifier(request_id), droppable)


def _failure(facts: _Facts, sent: Collection[str]) -> tuple[ModelFailure, bool]:
    detail = " ".join(
        part for part in (str(facts.status or ""), *map(_identifier, (facts.code, facts.type, facts.param))) if part
    )
    status, names = facts.status, facts.names
    if status == 402 or names & QUOTA or any(name.endswith(QUOTA_ENDINGS) for name in names):
        return QuotaExhausted(detail), False
    if names & CONTEXT:
        return ContextTooLong(detail), False
    if facts.moderated or names & CONTENT:
        return ContentRefused(detail), False
    form = refused_form(facts.words, facts.places, sent)
    if form:  # whatever the status: OpenRouter says 404, llama.cpp 500
        return ParameterRefused(detail, form), True
    if names & UNKNOWN_MODEL or status == 404:
        return ModelUnknown(detail), False
    if names & KEY or status in {401, 403}:
        return KeyRefused(detail), False
    if names & RATE or status == 429:
        return (RequestTooLarge if facts.too_large else ModelRateLimited)(detail), False
    if status in {408, 409} or status >= 500 or names & TRANSIENT:
        return ModelUnavailable(detail), False
    if facts.too_long:
        return ContextTooLong(detail), False
    if not status:
        return ModelUnavailable(detail), False
    parameter = _parameter(facts, sent)
    if not parameter:
        return ModelRefused(detail), False
    code = facts.code.lower()
    wrong_value = code not in SAYS_NOTHING and (code.startswith("invalid_") or code.endswith(REFUSED_VALUE))
    return ParameterRefused(detail, parameter), not wrong_value


def _parameter(facts: _Facts, sent: Collection[str]) -> str:
    """The sent parameter that was refused; empty if none of them was."""
    if facts.param:
        named = [facts.param.partition(".")[0]]
    elif facts.places:
        named = list(facts.places)
    elif facts.silent:  # "stream" is too common a word to tell anything
        named = [word for word in re.findall(r"\w+", facts.words) if word != "stream"]
    else:
        return ""
    for name in named:
        if name in sent:
            return name
        if name in LIMITS:  # some servers turn one into the other and refuse that
            return next((limit for limit in LIMITS if limit in sent), "")
    return ""


def _facts(body: object, status: int) -> _Facts:
    """Read an error body in OpenAI's shape, or FastAPI's (`detail`), Mistral's (that in the message), vLLM's (flat),
    OpenRouter's (`metadata`)."""
    error: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    words = error.get("message") if error else body
    inner = error.get("innererror")
    code = error.get("code")
    if not status and isinstance(
        code, int
    ):  # vLLM and OpenRouter put the status there when it is too late for a status line
        status = code
    metadata, detail = error.get("metadata"), _detail(error)
    if isinstance(detail, str):
        words = detail
    return _Facts(
        status=status,
        code=_text(inner.get("code") if isinstance(inner, Mapping) and "code" in inner else code),
        type=_text(error.get("type")),
        param=_text(error.get("param")),
        words=_text(words),
        places=tuple(_places(detail)),
        moderated=isinstance(metadata, Mapping) and "flagged_input" in metadata,
    )


def _detail(error: Mapping[str, Any]) -> object:
    """FastAPI's `detail`; Mistral has it within the message, as an object or written out."""
    message = error.get("message")
    if isinstance(message, str) and message.startswith("{"):
        with contextlib.suppress(orjson.JSONDecodeError):
            message = orjson.loads(message)
    within = message.get("detail") if isinstance(message, Mapping) else None
    return error.get("detail") if within is None else within


def _places(detail: object) -> Iterator[str]:
    """FastAPI's `detail: [{"loc": ["body", "temperature"], …}]`."""
    for entry in detail if isinstance(detail, list) else []:
        places = entry.get("loc") if isinstance(entry, Mapping) else None
        yield from (place for place in (places if isinstance(places, list) else []) if isinstance(place, str))


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) else ""


def _identifier(text: str | None) -> str:
    """`text` if it looks like a code, so that nothing else can ride into the log."""
    return text if text and _IDENTIFIER.fullmatch(text) else ""

"""OpenAI's refusals, each ready made as a `Fault` with the status, headers and error body the API sends.

The validation raises the same ones (wrapped in `Refused`), so a fault that a test orders and a refusal that a
request earns cannot differ. What decides *whether* a request is refused lives in `validation.py`.

Codes and types are those of OpenAI's "Error codes" guide; messages follow what the API was seen to answer.
"""

from __future__ import annotations

import email.utils
import time
from typing import Any, Literal

from emulators.faults import Fault

INVALID_REQUEST = "invalid_request_error"
RetryForm = Literal["seconds", "milliseconds", "date", "none"]


class Refused(Exception):
    """A request that OpenAI answers with an error; `fault` is that answer."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.status}: {fault.body}")
        self.fault = fault


def error_body(message: str, kind: str, *, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The one shape of OpenAI's errors: `{"error": {"message", "type", "param", "code"}}`."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def bad_request(message: str, *, param: str | None = None, code: str | None = None) -> Fault:
    """400 `invalid_request_error` with any message, parameter and code."""
    return Fault(status=400, body=error_body(message, INVALID_REQUEST, param=param, code=code))


def masked(key: str) -> str:
    """A key as OpenAI shows it back: the first 8 and last 4 characters, stars between; short ones whole."""
    return key if len(key) <= 12 else f"{key[:8]}{'*' * (len(key) - 12)}{key[-4:]}"


def _retry_headers(seconds: float, form: RetryForm) -> dict[str, str]:
    match form:
        case "seconds":
            return {"Retry-After": f"{seconds:g}"}
        case "milliseconds":
            return {"retry-after-ms": f"{seconds * 1000:g}"}
        case "date":
            return {"Retry-After": email.utils.formatdate(time.time() + seconds, usegmt=True)}
        case "none":
            return {}


# ---- 429


def rate_limited(
    retry_after: float = 2,
    *,
    form: RetryForm = "seconds",
    on: Literal["requests", "tokens"] = "requests",
    limit: int = 500,
    model: str = "gpt-5.4-mini",
) -> Fault:
    """429 `rate_limit_exceeded`, waiting time in seconds, written in the header as `form` says."""
    per, unit = ("requests per min", "RPM") if on == "requests" else ("tokens per min", "TPM")
    wait = f"{retry_after:g}s" if retry_after >= 1 else f"{retry_after * 1000:.0f}ms"
    message = (
        f"Rate limit reached for {model} in organization org-emulated on {per} ({unit}): Limit {limit}, "
        f"Used {limit}, Requested 1. Please try again in {wait}. "
        "Visit https://platform.openai.com/account/rate-limits to learn more."
    )
    body = error_body(message, on, code="rate_limit_exceeded")
    return Fault(status=429, headers=_retry_headers(retry_after, form), body=body)


def request_too_large(limit: int = 30_000, requested: int = 36_278, *, model: str = "gpt-5.4-mini") -> Fault:
    """429 `rate_limit_exceeded` for a request of more tokens than a minute may have: no wait helps, none is named."""
    message = (
        f"Request too large for {model} in organization org-emulated on tokens per min (TPM): Limit {limit}, Requested "
        f"{requested}. The input or output tokens must be reduced in order to run successfully. "
        "Visit https://platform.openai.com/account/rate-limits to learn more."
    )
    return Fault(status=429, body=error_body(message, "tokens", code="rate_limit_exceeded"))


def slow_down(retry_after: float = 2, *, form: RetryForm = "seconds") -> Fault:
    """429 `slow_down`: the rate of requests rose too fast; the type is `rate_limit_error`."""
    message = "Slow down: reduce your request rate to its earlier level, then raise it gradually."
    body = error_body(message, "rate_limit_error", code="slow_down")
    return Fault(status=429, headers=_retry_headers(retry_after, form), body=body)


def _quota(code: str, message: str) -> Fault:
    return Fault(status=429, body=error_body(message, "insufficient_quota", code=code))


def insufficient_quota() -> Fault:
    """429 `insufficient_quota`: no retry helps."""
    return _quota(
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details. For more information on "
        "this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
    )


def credit_balance_exhausted() -> Fault:
    """429 `credit_balance_exhausted`: the prepaid credits are used up."""
    return _quota("credit_balance_exhausted", "Your organization has no prepaid credits remaining.")


def spend_limit_exceeded(scope: Literal["organization", "project"] = "organization") -> Fault:
    """429 `organization_spend_limit_exceeded` or `project_spend_limit_exceeded`."""
    return _quota(f"{scope}_spend_limit_exceeded", f"Your {scope} reached its enforced monthly spend limit.")


def usage_limit_exceeded() -> Fault:
    """429 `organization_usage_limit_exceeded`: the approved monthly usage is reached."""
    return _quota("organization_usage_limit_exceeded", "Your organization reached its approved monthly usage limit.")


# ---- 5xx, 408, 409


def server_error(status: int = 500) -> Fault:
    """500 `server_error`, or another 5xx with the same body."""
    message = (
        "The server had an error while processing your request. Sorry about that! You can retry your request, or "
        "contact us through our help center at help.openai.com if the error persists."
    )
    return Fault(status=status, body=error_body(message, "server_error"))


def overloaded(retry_after: float | None = None, *, form: RetryForm = "seconds") -> Fault:
    """503: the engine is overloaded."""
    message = "The engine is currently overloaded, please try again later"
    headers = {} if retry_after is None else _retry_headers(retry_after, form)
    return Fault(status=503, headers=headers, body=error_body(message, "service_unavailable_error"))


def bad_gateway() -> Fault:
    """502 with the HTML page of the proxy in front of the API: no JSON at all."""
    page = (
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
        "<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
    )
    return Fault(status=502, headers={"Content-Type": "text/html", "Server": "cloudflare"}, body=page)


def request_timeout() -> Fault:
    """408: the server gave up waiting for the request."""
    return Fault(status=408, body=error_body("Request timed out.", "server_error", code="timeout"))


def conflict() -> Fault:
    """409: the resource was updated by another request."""
    message = "The resource was updated by another request. Try again."
    return Fault(status=409, body=error_body(message, INVALID_REQUEST, code="conflict"))


# ---- 401, 403, 404


def invalid_api_key(key: str = "sk-emulated-revoked-key") -> Fault:
    """401 `invalid_api_key`, with the key masked as OpenAI masks it."""
    message = (
        f"Incorrect API key provided: {masked(key)}. "
        "You can find your API key at https://platform.openai.com/account/api-keys."
    )
    return Fault(status=401, body=error_body(message, INVALID_REQUEST, code="invalid_api_key"))


def missing_api_key() -> Fault:
    """401 for a request without an Authorization header."""
    message = (
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
        "auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're "
        "accessing the API from your browser and are prompted for a username and password. You can obtain an API "
        "key from https://platform.openai.com/account/api-keys."
    )
    return Fault(status=401, body=error_body(message, INVALID_REQUEST))


def forbidden() -> Fault:
    """403 `unsupported_country_region_territory`."""
    message = "Country, region, or territory not supported"
    code = "unsupported_country_region_territory"
    return Fault(status=403, body=error_body(message, "request_forbidden", code=code))


def model_not_found(model: str) -> Fault:
    """404 `model_not_found`, as Chat Completions answers it."""
    message = f"The model `{model}` does not exist or you do not have access to it."
    return Fault(status=404, body=error_body(message, INVALID_REQUEST, code="model_not_found"))


def not_found(message: str, *, param: str | None = None, code: str | None = None) -> Fault:
    """404 with any message, as for an unknown address."""
    return Fault(status=404, body=error_body(message, INVALID_REQUEST, param=param, code=code))


def method_not_supported(method: str, path: str) -> Fault:
    """405 for an address that exists with another method."""
    message = f"Not allowed to {method} on {path}. (HINT: Perhaps you meant to use a different HTTP method?)"
    return Fault(status=405, body=error_body(message, INVALID_REQUEST, code="method_not_supported"))


# ---- 400


def context_length_exceeded(window: int = 128_000, prompt: int = 130_000, completion: int = 0) -> Fault:
    """400 `context_length_exceeded`; all three figures in tokens."""
    if completion:
        message = (
            f"This model's maximum context length is {window} tokens. However, you requested {prompt + completion} "
            f"tokens ({prompt} in the messages, {completion} in the completion). "
            "Please reduce the length of the messages or completion."
        )
    else:
        message = (
            f"This model's maximum context length is {window} tokens. However, your messages resulted in {prompt} "
            "tokens. Please reduce the length of the messages."
        )
    return bad_request(message, param="messages", code="context_length_exceeded")


def input_limit_exceeded(limit: int, prompt: int) -> Fault:
    """400 `context_length_exceeded` as reasoning models say it: the input alone is over its share of the window."""
    message = (
        f"Input tokens exceed the configured limit of {limit} tokens. Your messages resulted in {prompt} tokens. "
        "Please reduce the length of the messages."
    )
    return bad_request(message, param="messages", code="context_length_exceeded")


def unsupported_parameter(param: str, *, instead: str | None = None) -> Fault:
    """400 `unsupported_parameter`: this model does not take `param`."""
    hint = f" Use '{instead}' instead." if instead else ""
    message = f"Unsupported parameter: '{param}' is not supported with this model.{hint}"
    return bad_request(message, param=param, code="unsupported_parameter")


def unsupported_value(
    param: str, value: Any = 0.7, *, allowed: str = "Only the default (1) value is supported."
) -> Fault:
    """400 `unsupported_value`: this model takes `param`, but not this value."""
    shown = f"'{value}'" if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else f"{value}"
    message = f"Unsupported value: '{param}' does not support {shown} with this model. {allowed}"
    return bad_request(message, param=param, code="unsupported_value")


def no_images(path: str = "messages.[0].content.[1].type") -> Fault:
    """400 without a code: the model takes text alone; `path` is where the first image's type stands."""
    return bad_request("Invalid content type. image_url is only supported by certain models.", param=path)


def content_policy_violation() -> Fault:
    """400 `content_policy_violation`: the prompt itself was refused."""
    message = (
        "Your request was rejected as a result of our safety system. "
        "Your prompt may contain text that is not allowed by our safety system."
    )
    return bad_request(message, code="content_policy_violation")


# ---- answers that are no answers


def garbage_json() -> Fault:
    """200 that says it is JSON and breaks off in the middle of it."""
    return Fault(status=200, headers={"Content-Type": "application/json"}, body='{"id": "chatcmpl-emulated", "obj')


def garbage_stream() -> Fault:
    """200 that says it is an event stream, whose first event is no JSON."""
    return Fault(status=200, headers={"Content-Type": "text/event-stream; charset=utf-8"}, body="data: {oops\n\n")


def stream_error(message: str | None = None, *, kind: str = "server_error", code: str | None = None) -> dict[str, Any]:
    """The body of an `error` event in the middle of a stream, for `Reply.error`."""
    text = message or "The server had an error processing your request. Sorry about that! You can retry your request."
    return error_body(text, kind, code=code)

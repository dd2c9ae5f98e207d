"""OpenAI over its real wire protocol: chat completions, streamed and whole, and the list of models.

    async with OpenAIService() as openai:
        openai.script("Hello!", Reply("half of it", cut_after=4))
        openai.faults.add("/chat/completions", errors.rate_limited(retry_after=2))

The Responses API and everything beside chat is not here.
"""

from emulators.openai import errors
from emulators.openai.calls import Call
from emulators.openai.ratelimits import Rates
from emulators.openai.reply import Answer, ChatRequest, Message, Reply, Responder, Speed, ToolCall
from emulators.openai.service import OpenAIService
from emulators.openai.tokens import Usage

__all__ = [
    "Answer",
    "Call",
    "ChatRequest",
    "Message",
    "OpenAIService",
    "Rates",
    "Reply",
    "Responder",
    "Speed",
    "ToolCall",
    "Usage",
    "errors",
]

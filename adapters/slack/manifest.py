"""The Slack app's manifest, made of what the code uses: its events, the scopes its calls need, its command.

A method called elsewhere in this package has its line in `METHOD_SCOPES`; the tests hold the calls against it.
"""

from __future__ import annotations

from typing import Any

COMMAND = "/parley"

# Slack's limits: https://docs.slack.dev/reference/app-manifest
_NAME_LIMIT = 35
_DESCRIPTION_LIMIT = 140

# The bot scopes that each method called needs, for public and private channels and direct messages.
# https://docs.slack.dev/reference/methods
METHOD_SCOPES: dict[str, tuple[str, ...]] = {
    "auth.test": (),
    "chat.postMessage": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "chat.update": ("chat:write",),
    "chat.delete": ("chat:write",),
    "chat.startStream": ("chat:write",),
    "chat.appendStream": ("chat:write",),
    "chat.stopStream": ("chat:write",),
    "assistant.threads.setStatus": ("chat:write",),
    "agents.sessions.setStatus": ("chat:write",),
    "conversations.history": ("channels:history", "groups:history", "im:history", "mpim:history"),
    "conversations.replies": ("channels:history", "groups:history", "im:history", "mpim:history"),
    "conversations.info": ("channels:read", "groups:read"),
    "users.conversations": ("channels:read", "groups:read", "im:read", "mpim:read"),
    "conversations.open": ("im:write",),
    "users.info": ("users:read",),
    "files.getUploadURLExternal": ("files:write",),
    "files.completeUploadExternal": ("files:write",),
    "files.delete": ("files:write",),
    "files.info": ("files:read",),
    "views.open": (),
    "views.update": (),
    "views.publish": (),
}

# https://docs.slack.dev/reference/events
EVENT_SCOPES: dict[str, str] = {
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
}

# Slack sends these to every app that asks for them.
OTHER_EVENTS: tuple[str, ...] = ("agent_session_stopped", "app_home_opened")

# What answering works without: the agent view's place in Slack's top bar, direct messages to the admins, and files.
VIEW_SCOPES: tuple[str, ...] = ("assistant:write",)
OPTIONAL_SCOPES: dict[str, str] = {
    "im:write": "the people in PARLEY_ADMINS are told of trouble in the log alone",
    "reactions:read": "a 👍 or 👎 that is given as a reaction is not counted as a rating",
    "files:read": "the model sees neither images nor files that come with a question",
    "files:write": "no answer comes with a file or chart, and buttons, forms and the Home tab may be off",
}
"""Each scope that an app from an older manifest may lack, and what it then does without."""

NEEDED_SCOPES: tuple[str, ...] = tuple(
    sorted(
        ({s for scopes in METHOD_SCOPES.values() for s in scopes} | set(EVENT_SCOPES.values()) | {"commands"})
        - set(OPTIONAL_SCOPES)
    )
)

DESCRIPTION = "Mention me and I answer in the thread, remembering what was said there."
PROMPTS: tuple[tuple[str, str], ...] = (
    ("What can you do?", "What can you help me with?"),
    ("Draft a message", "Help me draft a message to my team."),
    ("Explain something", "Explain something to me in simple words."),
)


def manifest(name: str = "Parley", description: str = DESCRIPTION, *, usage: str) -> dict[str, Any]:
    """The manifest as plain data, to be pasted as JSON where Slack creates an app; `usage` hints at the command.

    Raises `ValueError` where the name or the description is longer than Slack takes.
    """
    if not 1 <= len(name) <= _NAME_LIMIT:
        raise ValueError(f"the app's name must have 1 to {_NAME_LIMIT} characters")
    if not 1 <= len(description) <= _DESCRIPTION_LIMIT:
        raise ValueError(f"the app's description must have 1 to {_DESCRIPTION_LIMIT} characters")
    return {
        "display_information": {"name": name, "description": description},
        "features": {
            "bot_user": {"display_name": name, "always_online": True},
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "agent_view": {
                "agent_description": description,
                "suggested_prompts": [{"title": title, "message": message} for title, message in PROMPTS],
            },
            "slash_commands": [
                {
                    "command": COMMAND,
                    "description": "Show and change how the bot answers here",
                    "usage_hint": usage,
                    "should_escape": False,
                }
            ],
        },
        "oauth_config": {"scopes": {"bot": sorted({*NEEDED_SCOPES, *VIEW_SCOPES, *OPTIONAL_SCOPES})}},
        "settings": {
            "event_subscriptions": {"bot_events": sorted((*EVENT_SCOPES, *OTHER_EVENTS))},
            "interactivity": {"is_enabled": True},
            "org_deploy_enabled": False,
            "socket_mode_enabled": True,
            "token_rotation_enabled": False,
        },
    }

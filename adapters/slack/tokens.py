"""When Slack refuses one of the two tokens: which codes say so, what each means, and where to get a better one."""

from __future__ import annotations

from adapters.slack.failures import SlackFault
from bot.errors import TokenRefused

BOT_TOKEN = "SLACK_BOT_TOKEN"  # noqa: S105 - the variable's name
APP_TOKEN = "SLACK_APP_TOKEN"  # noqa: S105 - the variable's name

CURES = {
    BOT_TOKEN: (
        "Open https://api.slack.com/apps, choose the app, OAuth & Permissions, (re)install it to the workspace, "
        "and copy the Bot User OAuth Token (xoxb-…)."
    ),
    APP_TOKEN: (
        "Open https://api.slack.com/apps, choose the app, turn Socket Mode on, then Basic Information, "
        "App-Level Tokens: generate one with the scope connections:write and copy it (xapp-…)."
    ),
}

# https://docs.slack.dev/reference/methods/auth.test#errors, and those common to all methods.
MEANINGS = {
    "invalid_auth": "it does not know this token",
    "not_authed": "no token reached it",
    "account_inactive": "the app was removed from the workspace, or its workspace is gone",
    "token_revoked": "the token was revoked",
    "token_expired": "the token has expired",
    "not_allowed_token_type": "this is another kind of token than the one needed here",
    "missing_scope": "the token lacks a scope",
    "no_permission": "the token may not do this",
    "not_allowed": "the app may not do this",
    "access_denied": "access is denied to the app",
    "forbidden_team": "the workspace may not use this",
    "team_access_not_granted": "the app was not granted this workspace",
    "user_removed_from_team": "the app's user was removed from the workspace",
}


def refusal(variable: str, fault: SlackFault) -> TokenRefused | None:
    """The refusal a fault of `auth.test` or `apps.connections.open` stands for; None where it is anything else."""
    if not fault.refused or fault.code not in MEANINGS:
        return None
    needed = f" ({fault.needed})" if fault.code == "missing_scope" and fault.needed.isascii() and fault.needed else ""
    return TokenRefused(variable, f"Slack answered {fault.code}: {MEANINGS[fault.code]}{needed}", CURES[variable])


def unusable(variable: str, token: str) -> TokenRefused | None:
    """A token no HTTP header can carry never reaches Slack."""
    if token and token.isascii() and token.isprintable() and " " not in token:
        return None
    return TokenRefused(variable, "it is empty or has blanks or line breaks inside", CURES[variable])

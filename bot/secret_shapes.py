"""What a key or token looks like: for the log, which hides it, and for the settings, which refuse it. Pure."""

from __future__ import annotations

import re

HIDDEN = "[hidden]"
# Slack's, OpenAI's and those that are written like OpenAI's (sk-, gsk_, key-, …), Discord's, JSON web tokens, and
# whatever follows an auth scheme or stands between a name and a host in an address.
_SECRETS = re.compile(
    r"xox[a-z]-[\w-]+|xoxe\.[\w.-]+|xapp-[\w-]+"
    r"|\bsk-[\w-]{8,}|\b(?:key|token|secret|gsk|hf|ghp|glpat|AIza)[-_]?(?=[\w-]*\d)[A-Za-z0-9][\w-]{19,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"
    r"|[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}"
    r"|(?<=Bearer )\S+|(?<=bearer )\S+|(?<=Basic )[\w+/=]{8,}|(?<=Bot )[\w.-]{20,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)
# A name that somebody chose has words; a run of letters and digits as long as this is made by a machine.
_RUN = re.compile(r"[A-Za-z0-9]{20,}")


def without_secrets(text: str) -> str:
    """The text with `HIDDEN` for whatever in it is shaped like a secret."""
    return _SECRETS.sub(HIDDEN, text)


def looks_secret(text: str) -> bool:
    """Whether what somebody typed is, or holds, what is more likely a secret than a name."""
    if _SECRETS.search(text):
        return True
    return any(any(c.isdigit() for c in run) and any(c.isalpha() for c in run) for run in _RUN.findall(text))

"""Over which channels a customer can be reached, and which of them a message takes."""

from collections.abc import Collection, Sequence

from services.notifications.rules.permission import Verdict

MAIL = "email"

BY_PHONE = frozenset({"phone", "signal", "sms", "telegram", "whatsapp"})
"""Channels whose addresses are phone numbers. On all others but mail a customer is known by the shop's own id."""


def address(channel: str, *, customer_id: str, email: str | None, phone: str | None) -> str | None:
    """Return where a customer is on a channel; none where they are not."""
    if channel == MAIL:
        return email
    return phone if channel in BY_PHONE else customer_id


def in_order(channels: Collection[str], preferred: str | None) -> list[str]:
    """Return channels in the order in which they are tried: what the customer prefers, mail, the others."""
    return sorted(channels, key=lambda each: (each != preferred, each != MAIL, each))


def choose(verdicts: Sequence[tuple[str, Verdict]]) -> tuple[str, Verdict]:
    """Return the channel that a message takes: the first where it is allowed, else where it will be, else the first."""
    for outcome in ("allowed", "later"):
        for channel, verdict in verdicts:
            if verdict.outcome == outcome:
                return channel, verdict
    return verdicts[0]

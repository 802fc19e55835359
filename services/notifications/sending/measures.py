"""What is counted of messages, for Prometheus."""

from collections.abc import Sequence

from prometheus_client import Counter, Gauge

from services.notifications.commands import Outcome

MESSAGES = Counter("loyalty_notifications", "What became of notifications", ["became", "channel"])
OLDEST = Gauge("loyalty_notification_oldest_due_seconds", "For how long the oldest due one has waited", ["step"])


def count(outcomes: Sequence[Outcome]) -> None:
    """Count what a committed batch did."""
    for outcome in outcomes:
        became = outcome.more.get("became")
        if became is not None:
            MESSAGES.labels(became, outcome.more.get("channel") or "none").inc()

"""Whether a message may be said on a channel now, later or never, and why (rule 30)."""

import datetime as dt
from collections.abc import Sequence
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from services.notifications.programme import PROMOTIONAL, FrequencyCap, Hours, Programme, Purpose
from services.notifications.rules.consent import Consent, Standing

MEANINGFUL = dt.timedelta(days=7)
"""What happened longer ago is not said: imports and replays are silent."""

DAY = dt.timedelta(days=1)

Reason = Literal[
    "too-old",
    "address-missing",
    "address-bounced",
    "address-complained",
    "consent-missing",
    "consent-unconfirmed",
    "consent-withdrawn",
    "frequency-cap",
    "quiet-hours",
]


class Message(NamedTuple):
    """Something to be said: for what, of when it is, and until when it means anything.

    An occasion happens when it is planned, and is caught up `until` its own end.
    """

    purpose: Purpose
    happened_at: dt.datetime
    until: dt.datetime | None = None


class Reach(NamedTuple):
    """What is known of a customer on a channel; `address` is none where they have none there.

    `promotional` are the instants of promotional messages on all channels, those that are planned among them.
    """

    zone: ZoneInfo
    address: Standing | None
    consent: Consent | None = None
    promotional: Sequence[dt.datetime] = ()


class Verdict(NamedTuple):
    """What becomes of a message: `at` says from when it is allowed, if not now."""

    outcome: Literal["allowed", "later", "suppressed"]
    reason: Reason | None = None
    at: dt.datetime | None = None


ALLOWED = Verdict("allowed")


def judge(message: Message, reach: Reach, now: dt.datetime, programme: Programme) -> Verdict:
    """Judge a message; of several reasons the first is said, and what no wait would change comes before what it would."""
    refused = "too-old" if is_over(message, now) else _of_address(message, reach) or _of_consent(message, reach)
    if refused is not None:
        return Verdict("suppressed", refused)
    if message.purpose not in PROMOTIONAL:
        return ALLOWED
    free = free_at(reach.promotional, programme.frequency_cap, now)
    at = loud_at(free, programme.quiet_hours, reach.zone)
    if at == now:
        return ALLOWED
    reason: Reason = "quiet-hours" if free == now else "frequency-cap"
    return Verdict("suppressed", reason) if is_over(message, at) else Verdict("later", reason, at)


def is_over(message: Message, at: dt.datetime) -> bool:
    """Whether a message means nothing any more."""
    return at > message.happened_at + MEANINGFUL or (message.until is not None and at >= message.until)


def _of_address(message: Message, reach: Reach) -> Reason | None:
    if reach.address is None:
        return "address-missing"
    if reach.address.bounced_at is not None:
        return "address-bounced"
    # whoever complained still has to know what they must
    is_unwanted = reach.address.complained_at is not None and message.purpose in PROMOTIONAL
    return "address-complained" if is_unwanted else None


def _of_consent(message: Message, reach: Reach) -> Reason | None:
    if message.purpose not in PROMOTIONAL:
        return None
    if reach.consent is None:
        return "consent-missing"
    if reach.consent.state == "withdrawn":
        return "consent-withdrawn"
    return "consent-unconfirmed" if reach.consent.state == "asked" else None


def free_at(promotional: Sequence[dt.datetime], cap: FrequencyCap | None, now: dt.datetime) -> dt.datetime:
    """Return from when one more promotional message keeps the cap in every stretch of its days."""
    if cap is None or len(promotional) < cap.messages:
        return now
    return max(now, sorted(promotional)[-cap.messages] + cap.days * DAY)


def loud_at(at: dt.datetime, quiet: Hours | None, zone: ZoneInfo) -> dt.datetime:
    """Return the first instant from `at` on that lies in no quiet hours."""
    local = at.astimezone(zone)
    if quiet is None or not quiet.holds(local.time()):
        return at
    day = local.date() + (DAY if local.time() >= quiet.end else dt.timedelta())
    # of an hour that the clock shows twice, the same one
    return dt.datetime.combine(day, quiet.end, zone).replace(fold=local.fold).astimezone(dt.UTC)

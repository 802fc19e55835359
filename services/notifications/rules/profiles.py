"""What a profile keeps of what the shop's records say, and which of its days an occasion is about."""

import datetime as dt
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from services.notifications.channels.mail import AddressError, mail_address
from services.notifications.programme import Anniversary, AnyOccasion
from shared.documents import TIME_ZONES

SHARED = ("salutation", "given_name", "family_name", "birthday", "language", "time_zone", "email", "phone")
"""What other services and the shop's records know too; all else of a profile stays here."""

OWN = ("preferred_channel", "preferences")

DAY = dt.timedelta(days=1)

TEXT = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
SHAPES: Mapping[str, re.Pattern[str]] = {
    "salutation": TEXT,
    "given_name": TEXT,
    "family_name": TEXT,
    "language": re.compile(r"[a-z]{2,3}(-[A-Z]{2})?"),
    "phone": re.compile(r"\+?[0-9 ()./-]{3,40}"),
}


def kept(said: Mapping[str, Any], said_at: dt.datetime) -> dict[str, Any]:
    """Return what can be kept of a record; what is malformed is as if it had not been said, what is none is cleared."""
    return {name: value for name, value in said.items() if name in SHARED and _fits(name, value, said_at)}


def _fits(name: str, value: Any, said_at: dt.datetime) -> bool:
    if value is None:
        return True
    if name == "birthday":
        return bool(value <= (said_at + DAY).date())
    if name == "time_zone":
        return value in TIME_ZONES
    return is_mail_address(value) if name == "email" else SHAPES[name].fullmatch(value) is not None


def is_mail_address(text: str) -> bool:
    try:
        return mail_address(text) is not None
    except AddressError:
        return False


def touched(occasions: Collection[AnyOccasion], changed: Collection[str]) -> Iterator[str]:
    """Yield the names of the occasions that are due at another time when so much of a profile has changed."""
    for occasion in occasions:
        if "time_zone" in changed or (isinstance(occasion, Anniversary) and _day_of(occasion) in changed):
            yield occasion.name


def _day_of(occasion: Anniversary) -> str:
    return "joined_on" if occasion.of == "joining" else occasion.of

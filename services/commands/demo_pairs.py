"""Which customers of the demo bought together with a friend, by an offer for two, and what that came to."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from services.referrals.commands import AcceptPair, Command, InvitePair, KeepOffer
from services.referrals.offers import Offer
from services.referrals.rules import codes

OFFER_ID = "listen-for-two"
MOST = 60
"""So many pairs begin."""
PAIRS = uuid.UUID("6f6dd8f1-52d0-4a6f-8e0b-0d1c1b7a1997")

OFFER = Offer.model_validate(
    {
        "texts": {"en": {"title": "Listen for two", "description": "Both buy within 60 days, and both get 75 points."}},
        "default_language": "en",
        "kind": "each_buys",
        "benefit": {"kind": "points", "points": 75},
        "currency": "USD",
        "minimum": "10.00",
        "days": 60,
        "budget": 100,
    }
)


class Two(NamedTuple):
    """An existing customer and the friend whom they invited; the instant is that of the friend's claim."""

    customer_id: str
    friend_id: str
    since: dt.datetime


def offer() -> Command:
    """Return what puts the offer in; the same again changes nothing."""
    return KeepOffer(OFFER_ID, OFFER, is_new=True)


def beginning(twos: Sequence[Two]) -> list[Command]:
    """Return what lets pairs begin: each is invited and accepts at once."""
    found: list[Command] = []
    for each in twos:
        name = str(uuid.uuid5(PAIRS, each.customer_id))
        found.append(InvitePair(name, OFFER_ID, each.customer_id, each.friend_id, codes.generate(), each.since))
        found.append(AcceptPair(name, each.friend_id, each.since))
    return found


def show(pairs: dict[str, int], points: int, out: Console) -> None:
    """Tell how many pairs did what the offer asked."""
    table = Table(title="customer plus friend: listen for two", show_header=False)
    table.add_row("pairs that began", f"{sum(pairs.values()):,}")
    table.add_row("both bought within 60 days", f"{pairs.get('completed', 0):,}")
    table.add_row("one of them did not, so neither got anything", f"{pairs.get('expired', 0):,}")
    table.add_row("points that both got", f"{points:,}")
    out.print(table)

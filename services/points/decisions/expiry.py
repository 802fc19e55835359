"""Points that end with their last local day."""

import datetime as dt

from services.points.books import Books
from services.points.decisions import entries
from services.points.decisions.events import say
from services.points.records import Account
from services.points.rules.lots import Lot


def expire(books: Books, account: Account, ends_at: dt.datetime, day: dt.date, lots: list[Lot]) -> None:
    lots = [lot for lot in lots if lot.remaining and not lot.pending]
    points = sum(lot.remaining for lot in lots)
    if not points:
        return
    entry = entries.write(books, account, "expiry", day.isoformat(), ends_at, available=-points)
    for lot in lots:
        lot.expired += lot.remaining
    entries.allocate(books, account, entry.sequence, [(lot, lot.remaining) for lot in lots])
    details = {"expired_on": day, "breakdown": [{"rule": "expiry", "points": -points}]}
    say(books, account, "loyalty.points.expired.v1", entry, details)


def end_late(books: Books, account: Account, lot: Lot, *, by: dt.datetime | None = None) -> None:
    """End points that came to their lot after its last day: they can't be spent before the account is next looked at."""
    day, ends_at = entries.last_day(account, lot), entries.end_of(books.programme, account, lot)
    if day is not None and ends_at is not None and ends_at <= (by or books.now) and lot.remaining:
        expire(books, account, ends_at, day, [lot])

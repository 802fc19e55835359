"""Taking back what an entry brought: out of its own lot, of what of it has ended, of other lots; the rest is owed (rule 14)."""

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from services.points.books import Books
from services.points.decisions import entries
from services.points.decisions.events import say
from services.points.records import Account, Entry, EntryKind, LotOrigin
from services.points.rules.lots import Lot


def own_lot(books: Books, origin: LotOrigin, account: Account) -> Lot | None:
    """Return the lot that an entry brought, which a merge may have moved to another account."""
    return next(_lots_of(books, origin, account.customer_id), None)


def _lots_of(books: Books, origin: LotOrigin, holder: str) -> Iterator[Lot]:
    for lot in books.lots.get(holder, ()):
        if lot.origin == origin or (lot.origin is None and (holder, lot.sequence) == origin):
            yield lot


def expired_part(books: Books, origin: LotOrigin, account: Account, points: int, *, met: int = 0) -> int:
    """Return what of `points` is met by some that have expired: after the lot's rest, before others; `met` of them met others."""
    own = own_lot(books, origin, account)
    # some may have expired on the way here, before a merge
    holders = (account.customer_id, *books.merged.get(account.customer_id, ()))
    expired = sum(lot.expired for holder in holders for lot in _lots_of(books, origin, holder))
    return min(max(0, points - (own.remaining if own else 0)), expired - met)


class Taken(NamedTuple):
    """The entry that took points back, and how many of them no lot held."""

    entry: Entry
    missing: int


def take(  # noqa: PLR0913 - what is taken, and from where
    books: Books, account: Account, kind: EntryKind, points: int, reference: str, at: dt.datetime, *, origin: LotOrigin
) -> Taken:
    """Take back what has not expired already."""
    owed = max(0, -account.available)
    entry = entries.debit(books, account, kind, points, reference, at, first=own_lot(books, origin, account))
    return Taken(entry, max(0, -account.available) - owed)


def write_off(books: Books, account: Account, taken: Taken) -> None:
    """Let go what the customer would owe."""
    entry = entries.credit(books, account, "write_off", taken.missing, taken.entry.reference, taken.entry.occurred_at)
    breakdown = [{"rule": "write_off", "points": entry.points}]
    say(books, account, "loyalty.points.adjusted.v1", entry, {"reason": "write_off", "breakdown": breakdown})

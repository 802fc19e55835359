"""The double of every change: an entry and what it does to lots, balance and debt, always together."""

import datetime as dt
from collections.abc import Iterable

from services.points.books import Books
from services.points.programme import Programme
from services.points.records import MOVES, Account, Entry, EntryKind
from services.points.rules import dates
from services.points.rules.lots import Lot, spend


def write(  # noqa: PLR0913 - the columns of a line
    books: Books,
    account: Account,
    kind: EntryKind,
    reference: str,
    at: dt.datetime,
    *,
    available: int = 0,
    pending: int = 0,
    held: int = 0,
) -> Entry:
    """Write a line that changes the sides of the balance by so much."""
    account.sequence += 1
    account.available += available
    account.pending += pending
    account.held += held
    points = available if kind in MOVES else available + pending + held
    entry = Entry(
        account.customer_id,
        account.sequence,
        kind,
        points,
        account.available,
        account.pending,
        reference,
        at,
        account.held,
    )
    books.changes.entries.append(entry)
    books.changes.changed_accounts[account.customer_id] = account
    return entry


def credit(  # noqa: PLR0913 - what a lot is made of
    books: Books,
    account: Account,
    kind: EntryKind,
    points: int,
    reference: str,
    at: dt.datetime,
    *,
    lot: Lot | None = None,
) -> Entry:
    """Add points and their lot; `lot` says from when and until when they can be spent."""
    lot = lot or Lot(0, points, points)
    side = {"available": 0, "pending": points} if lot.pending else {"available": points}
    entry = write(books, account, kind, reference, at, **side)
    lot.sequence = entry.sequence
    if not lot.pending:
        repay(books, account, lot)
    books.changes.lots.append((account.customer_id, lot))
    lots = books.lots.get(account.customer_id)
    if lots is not None:
        lots.append(lot)
    watch(books, account, lot)
    return entry


def debit(  # noqa: PLR0913 - what is taken, and from where
    books: Books,
    account: Account,
    kind: EntryKind,
    points: int,
    reference: str,
    at: dt.datetime,
    *,
    first: Lot | None = None,
) -> Entry:
    """Take points out of the lots; what they lack becomes a debt. The lot `first` gives even while it is pending."""
    allocations, missing = spend(books.lots[account.customer_id], points, first=first)
    pending = sum(part for lot, part in allocations if lot.pending)
    entry = write(books, account, kind, reference, at, available=pending - points, pending=-pending)
    allocate(books, account, entry.sequence, allocations)
    if missing:
        books.debts.setdefault(account.customer_id, []).append((entry.sequence, missing))
    return entry


def allocate(books: Books, account: Account, debit_sequence: int, allocations: Iterable[tuple[Lot, int]]) -> None:
    """Take points out of lots for a debit."""
    for lot, part in allocations:
        lot.remaining -= part
        books.changes.allocate(account.customer_id, debit_sequence, lot.sequence, part)
        books.changes.changed_lots[account.customer_id, lot.sequence] = lot


def give_back(books: Books, account: Account, lot: Lot, points: int) -> None:
    """Put points back into their lot, whose entry is written; a debt takes its part of them."""
    lot.remaining += points
    books.changes.changed_lots[account.customer_id, lot.sequence] = lot
    repay(books, account, lot)
    watch(books, account, lot)


def repay(books: Books, account: Account, lot: Lot) -> None:
    """Take what the account owes out of a lot before it can be spent (rule 18)."""
    debts = books.debts.get(account.customer_id)
    while debts and lot.remaining:
        debit_sequence, missing = debts[0]
        part = min(missing, lot.remaining)
        allocate(books, account, debit_sequence, [(lot, part)])
        if part == missing:
            debts.pop(0)
        else:
            debts[0] = debit_sequence, missing - part


def new_lot(points: int, earned_on: dt.date, programme: Programme, *, now: dt.datetime, waits: bool = True) -> Lot:
    """Return the lot of points earned on a local day: when they can be spent, and when they end (rules 7 and 10)."""
    lot = Lot(0, points, points)
    if waits and programme.pending_days:
        lot.available_at = dates.available_at(earned_on, programme)
        lot.pending = lot.available_at > now
    if programme.expiry.model == "after_earning":
        lot.expires_on = dates.expires_on(earned_on, programme.expiry)
        lot.expires_at = dates.end_of(lot.expires_on, programme.zone)
    lot.lapses = programme.expiry.model == "inactivity"
    return lot


def given_lot(books: Books, points: int, expires_on: dt.date | None) -> Lot:
    """Return the lot of points that no purchase brought: until a day of its own, else as long as the programme says."""
    if expires_on is None:
        return new_lot(points, books.today, books.programme, now=books.now, waits=False)
    return Lot(0, points, points, expires_on=expires_on, expires_at=dates.end_of(expires_on, books.programme.zone))


def watch(books: Books, account: Account, lot: Lot) -> None:
    """Have the account looked at when the lot's first date comes."""
    due = due_at(books.programme, account, lot)
    if due is not None and (account.due_at is None or due < account.due_at):
        account.due_at = due
        books.changes.changed_accounts[account.customer_id] = account


def due_at(programme: Programme, account: Account, lot: Lot) -> dt.datetime | None:
    """Return when something is next to be done about a lot: it becomes available, its end is told, it ends."""
    if lot.pending:
        return lot.available_at
    ends = end_of(programme, account, lot)
    if ends is None or not lot.remaining:
        return None
    told = account.inactivity_announced if lot.lapses else lot.announced
    day = last_day(account, lot)
    return ends if told or day is None else min(ends, dates.announced_at(day, programme))


def last_day(account: Account, lot: Lot) -> dt.date | None:
    """Return the last day on which the points of a lot can be spent; none where that is every day."""
    return account.inactive_on if lot.lapses else lot.expires_on


def end_of(programme: Programme, account: Account, lot: Lot) -> dt.datetime | None:
    """Return when the points of a lot end; none where they never do."""
    if lot.lapses:
        return None if account.inactive_on is None else dates.end_of(account.inactive_on, programme.zone)
    return lot.expires_at

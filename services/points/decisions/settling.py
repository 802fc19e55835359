"""What time brings: points that become available, points that end, what is told ahead, tiers that are reviewed.

Booked on every account that is locked, before anything else is decided: late or early, by a job or by a purchase, the
books are as if each had been booked the moment it was due.
"""

import datetime as dt
from collections.abc import Iterable

from services.points.books import Books
from services.points.commands import Account, Outcome, SettleAccount, refused
from services.points.decisions import entries
from services.points.decisions.events import balance_of, emit, say
from services.points.decisions.tiers import answer, review_due_at, settle_tier
from services.points.rules import dates
from services.points.rules.lots import Lot


def settle_account(books: Books, command: SettleAccount) -> Outcome:
    """Answer with the account: what was due on it is booked already, as on every account of the batch."""
    account = books.accounts.get(command.customer_id)
    if account is None:
        return refused("account-unknown", f"customer {command.customer_id} has no account")
    return answer("repeated", books, account)


def settle(books: Books, account: Account) -> None:
    """Book what is due on an account."""
    if account.due_at is None or account.due_at > books.now:
        return
    lots = books.lots[account.customer_id]
    for lot in sorted((each for each in lots if each.pending), key=lambda each: each.available_at or books.now):
        if lot.available_at is not None and lot.available_at <= books.now:
            _activate(books, account, lot)
    for (ends_at, day), ending in sorted(_by_end(books, account, lots).items()):
        if ends_at <= books.now:
            _expire(books, account, ends_at, day, ending)
        elif dates.announced_at(ends_at, books.programme.expiry) <= books.now:
            _announce(books, account, day, ending)
    settle_tier(books, account)
    account.due_at = next_due_at(books, account)
    books.changes.changed_accounts[account.customer_id] = account


def _activate(books: Books, account: Account, lot: Lot) -> None:
    """Let pending points be spent; a debt takes its part of them first (rule 18)."""
    points, at = lot.remaining, lot.available_at or books.now
    lot.pending = False
    books.changes.changed_lots[account.customer_id, lot.sequence] = lot
    if not points:
        return
    entry = entries.write(books, account, "activation", f"lot {lot.sequence}", at, available=points, pending=-points)
    entries.repay(books, account, lot)
    breakdown = [{"rule": "activation", "points": points}]
    say(books, account, "loyalty.points.activated.v1", entry, {"lot": lot.sequence, "breakdown": breakdown})


def _by_end(books: Books, account: Account, lots: Iterable[Lot]) -> dict[tuple[dt.datetime, dt.date], list[Lot]]:
    """Return the open lots by the instant at which they end, and the last day on which they can be spent."""
    ends: dict[tuple[dt.datetime, dt.date], list[Lot]] = {}
    for lot in lots:
        day = account.inactive_on if lot.lapses else lot.expires_on
        ends_at = entries.end_of(books.programme, account, lot)
        if day is not None and ends_at is not None and lot.remaining and not lot.pending:
            ends.setdefault((ends_at, day), []).append(lot)
    return ends


def _expire(books: Books, account: Account, ends_at: dt.datetime, day: dt.date, lots: list[Lot]) -> None:
    points = sum(lot.remaining for lot in lots)
    entry = entries.write(books, account, "expiry", day.isoformat(), ends_at, available=-points)
    for lot in lots:
        lot.expired += lot.remaining
    entries.allocate(books, account, entry.sequence, [(lot, lot.remaining) for lot in lots])
    details = {"expired_on": day.isoformat(), "breakdown": [{"rule": "expiry", "points": -points}]}
    say(books, account, "loyalty.points.expired.v1", entry, details)


def _announce(books: Books, account: Account, day: dt.date, lots: list[Lot]) -> None:
    """Tell once, ahead of time, that points will end (rule 10)."""
    untold = [lot for lot in lots if not _is_told(account, lot)]
    if not untold:
        return
    for lot in untold:
        if lot.lapses:
            account.inactivity_announced = True
            books.changes.changed_standings[account.customer_id] = account
        else:
            lot.announced = True
            books.changes.changed_lots[account.customer_id, lot.sequence] = lot
    data = {
        "customer_id": account.customer_id,
        "points": sum(lot.remaining for lot in lots),
        "on": day.isoformat(),
        "balance": balance_of(account),
    }
    emit(books, account, "loyalty.points.expiring.v1", data)


def _is_told(account: Account, lot: Lot) -> bool:
    return account.inactivity_announced if lot.lapses else lot.announced


def next_due_at(books: Books, account: Account) -> dt.datetime | None:
    """Return when there is next something to do about an account whose open lots are all there."""
    programme = books.programme
    due = [entries.due_at(programme, account, lot) for lot in books.lots[account.customer_id]]
    if programme.tiers is not None:
        due.append(review_due_at(books, account, programme.tiers))
    return min((each for each in due if each is not None), default=None)

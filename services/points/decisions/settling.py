"""What time brings: points that become available, points that end, holds that time out, what is told ahead, tiers reviewed.

Booked on every account that is locked, before anything else is decided: late or early, by a job or by a purchase, the
books are as if each had been booked the moment it was due.
"""

import datetime as dt

from services.points.books import Books, is_due
from services.points.commands import Outcome, SettleAccount, refused
from services.points.decisions import entries
from services.points.decisions.events import balance_of, emit, say
from services.points.decisions.expiry import expire
from services.points.decisions.holds import free, open_holds
from services.points.decisions.tiers import answer, review_due_at, settle_tier
from services.points.records import Account, Redemption
from services.points.rules import dates
from services.points.rules.lots import Lot

Beginnings = dict[dt.datetime, list[Lot]]
Ends = dict[tuple[dt.datetime, dt.date], list[Lot]]
"""By the instant, and by the last day on which the points can be spent."""


def settle_account(books: Books, command: SettleAccount) -> Outcome:
    """Answer with the account: what was due on it is booked already, as on every account of the batch."""
    account = books.accounts.get(command.customer_id)
    if account is None:
        return refused("account-unknown", f"customer {command.customer_id} has no account")
    return answer("repeated", books, account)


def settle(books: Books, account: Account) -> None:
    """Book what is due on an account."""
    if not is_due(account, books.now, books.outdated):
        return
    beginnings, ends = _dates(books, account)
    holds = _holds(books, account)
    # one after the other, as they would have been booked had nothing been late
    for at in sorted({*beginnings, *holds, *(at for at, _ in ends)}):
        if at <= books.now:
            for lot in beginnings.get(at, ()):
                _activate(books, account, lot)
            for hold in holds.get(at, ()):
                free(books, account, hold, "timed_out", at)
            for day in sorted(day for ends_at, day in ends if ends_at == at):
                expire(books, account, at, day, ends[at, day])
    for (ends_at, day), ending in sorted(ends.items()):
        if ends_at > books.now and dates.announced_at(day, books.programme) <= books.now:
            _announce(books, account, day, [lot for lot in ending if lot.remaining and not lot.pending])
    settle_tier(books, account)
    account.due_at = next_due_at(books, account)
    books.changes.changed_accounts[account.customer_id] = account
    if account.settled_under != books.version:
        account.settled_under = books.version
        books.changes.changed_standings[account.customer_id] = account


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


def _dates(books: Books, account: Account) -> tuple[Beginnings, Ends]:
    """Return the open lots by when they become available, and by when they end."""
    beginnings: Beginnings = {}
    ends: Ends = {}
    held = {part.lot_sequence for hold in open_holds(books, account) for part in hold.lots if part.held}
    for lot in books.lots[account.customer_id]:
        if lot.pending and lot.available_at is not None:
            beginnings.setdefault(lot.available_at, []).append(lot)
        day, ends_at = entries.last_day(account, lot), entries.end_of(books.programme, account, lot)
        if day is not None and ends_at is not None and (lot.remaining or lot.sequence in held):
            ends.setdefault((ends_at, day), []).append(lot)
    return beginnings, ends


def _holds(books: Books, account: Account) -> dict[dt.datetime, list[Redemption]]:
    """Return the open holds by when they time out."""
    found: dict[dt.datetime, list[Redemption]] = {}
    for hold in open_holds(books, account):
        if hold.hold_until is not None:
            found.setdefault(hold.hold_until, []).append(hold)
    return found


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
        "on": day,
        "balance": balance_of(account),
    }
    emit(books, account, "loyalty.points.expiring.v1", data)


def _is_told(account: Account, lot: Lot) -> bool:
    return account.inactivity_announced if lot.lapses else lot.announced


def next_due_at(books: Books, account: Account) -> dt.datetime | None:
    """Return when there is next something to do about an account whose open lots are all there."""
    programme = books.programme
    due = [entries.due_at(programme, account, lot) for lot in books.lots[account.customer_id]]
    due += [hold.hold_until for hold in open_holds(books, account)]
    if programme.tiers is not None:
        due.append(review_due_at(books, account, programme.tiers))
    return min((each for each in due if each is not None), default=None)

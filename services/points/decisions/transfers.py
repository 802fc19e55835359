"""Points that go from one customer to another and keep their end: gifts, and what a household spends together."""

from collections.abc import Sequence
from operator import itemgetter

from services.points.books import Books
from services.points.commands import GivePoints, JoinPool, LeavePool, Outcome, refused
from services.points.decisions import entries
from services.points.decisions.accounts import inactive, insufficient
from services.points.decisions.events import balance_of, emit, say
from services.points.decisions.tiers import answer
from services.points.records import Account, Entry, Gift
from services.points.rules.lots import NEVER, Lot, spend

Parts = Sequence[tuple[Lot, int]]

LARGEST_POOL = 20


def give_points(books: Books, command: GivePoints) -> Outcome:
    giver, recipient = books.accounts.get(command.customer_id), books.accounts.get(command.to)
    for account, name, pointer in ((giver, command.customer_id, "/customer_id"), (recipient, command.to, "/to")):
        if account is None:
            return refused("account-unknown", f"customer {name} has no account", pointer)
        if account.status != "active":
            return inactive(account, name, pointer)
    if giver is None or recipient is None or giver is recipient:
        return refused("gift-to-oneself", "points are given to another customer", "/to")
    if giver.available < command.points:
        return insufficient(giver, command.points)
    taken, _ = spend(books.lots[giver.customer_id], command.points)
    entry = _move(books, giver, recipient, taken, f"gift {command.gift_id}")
    gift = Gift(
        command.gift_id,
        giver.customer_id,
        recipient.customer_id,
        command.points,
        entry.sequence,
        command.occurred_at,
    )
    books.changes.gifts.append(gift)
    return Outcome("booked", account=giver, balance=giver.balance, entry=entry, gift=gift)


def _move(books: Books, source: Account, target: Account, parts: Parts, reference: str) -> Entry:
    """Move parts of lots: each is a lot of its own there, which ends when it would have ended here."""
    points = sum(part for _, part in parts)
    out = entries.write(books, source, "transfer_out", reference, books.now, available=-points)
    arriving = [_arriving(books, source, lot, part) for lot, part in parts]
    entries.allocate(books, source, out.sequence, parts)
    _say(books, source, out, reference)
    for lot in arriving:
        entry = entries.credit(books, target, "transfer_in", lot.points, reference, books.now, lot=lot)
        books.changes.changed_lots[target.customer_id, lot.sequence] = lot
        _say(books, target, entry, reference)
    return out


def _arriving(books: Books, source: Account, lot: Lot, points: int) -> Lot:
    """Return a lot as it goes on: one that would end with its customer's inactivity does not live by another's purchases."""
    arriving = Lot(0, points, points, graced=lot.graced)
    arriving.expires_on = entries.last_day(source, lot)
    arriving.expires_at = entries.end_of(books.programme, source, lot)
    arriving.lapses = lot.lapses and arriving.expires_on is None
    return arriving


def _say(books: Books, account: Account, entry: Entry, reference: str) -> None:
    details = {"reason": reference, "breakdown": [{"rule": reference.split(maxsplit=1)[0], "points": entry.points}]}
    say(books, account, "loyalty.points.adjusted.v1", entry, details)


# Households


def join_pool(books: Books, command: JoinPool) -> Outcome:
    account = books.accounts.get(command.customer_id)
    if account is None:
        return refused("account-unknown", f"customer {command.customer_id} has no account", "/customer_id")
    if account.pool_id == command.pool_id:
        return answer("repeated", books, account)
    if account.pool_id is not None:
        detail = f"customer {account.customer_id} spends with household {account.pool_id}: leave that first"
        return refused("pool-left-first", detail, "/customer_id")
    members = _members(books, command.pool_id)
    if not members and not command.is_new:
        return refused("pool-unknown", f"there is no household {command.pool_id}")
    if len(members) >= LARGEST_POOL:
        return refused("pool-full", f"a household has at most {LARGEST_POOL} members")
    _change(books, account, command.pool_id, "loyalty.pool.joined.v1", command.pool_id)
    return answer("booked", books, account)


def leave_pool(books: Books, command: LeavePool) -> Outcome:
    account = books.accounts.get(command.customer_id)
    if account is None or account.pool_id != command.pool_id:
        return refused("pool-unknown", f"customer {command.customer_id} is not in household {command.pool_id}")
    _change(books, account, None, "loyalty.pool.left.v1", command.pool_id)
    return answer("booked", books, account)


def _change(books: Books, account: Account, pool_id: str | None, kind: str, named: str) -> None:
    account.pool_id = pool_id
    books.changes.changed_standings[account.customer_id] = account
    data = {"customer_id": account.customer_id, "pool_id": named, "balance": balance_of(account)}
    emit(books, account, kind, data)


def _members(books: Books, pool_id: str) -> list[Account]:
    found = {each.customer_id: each for each in books.accounts.values() if each.pool_id == pool_id}
    return [found[name] for name in sorted(found)]


def _purses(books: Books, account: Account) -> list[Account]:
    """Return the accounts that a customer spends from: their own, and those of their household."""
    if account.pool_id is None:
        return [account]
    others = [each for each in _members(books, account.pool_id) if each is not account and each.status == "active"]
    return [account, *(each for each in others if each.available > 0)]


def within_reach(books: Books, account: Account) -> int:
    """Return the points that a customer can spend, with those of their household; none while they owe some."""
    if account.available < 0:
        return account.available
    return sum(each.available for each in _purses(books, account))


def gather(books: Books, account: Account, points: int) -> None:
    """Bring together what a customer spends: of all lots of the household those that end first."""
    purses = _purses(books, account)
    if len(purses) == 1:
        return
    # of those that end together one's own first
    lots = [
        (lot.expires_at or NEVER, place, lot.sequence, lot)
        for place, each in enumerate(purses)
        for lot in books.lots[each.customer_id]
        if not lot.pending
    ]
    taken: dict[int, list[tuple[Lot, int]]] = {}
    for _, place, _, lot in sorted(lots, key=itemgetter(0, 1, 2)):
        part = min(lot.remaining, points)
        if part:
            taken.setdefault(place, []).append((lot, part))
            points -= part
    for place, each in enumerate(purses):
        if place and place in taken:
            _move(books, each, account, taken[place], f"pool {account.pool_id}")

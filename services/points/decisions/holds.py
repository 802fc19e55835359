"""Points out of an account's lots, held and spent, and back into the lots they came from."""

import datetime as dt
from typing import Literal

from services.points.books import Books
from services.points.decisions import entries
from services.points.decisions.events import say
from services.points.decisions.expiry import end_late
from services.points.records import Account, Entry, RedeemedLot, Redemption
from services.points.rules import dates
from services.points.rules.lots import Lot, order, spend


def open_holds(books: Books, account: Account) -> list[Redemption]:
    return [each for each in books.redemptions.values() if each.held and each.customer_id == account.customer_id]


def hold(books: Books, account: Account, redemption: Redemption, points: int, *, until: dt.datetime) -> Entry:
    """Take points at once, so that spending them later cannot fail (rule 11)."""
    taken = _take(books, account, points)
    entry = entries.write(books, account, "hold", redemption.redemption_id, books.now, available=-points, held=points)
    for lot, part in taken:
        lot.remaining -= part
        books.changes.changed_lots[account.customer_id, lot.sequence] = lot
        redemption.lots.append(RedeemedLot(lot.sequence, held=part))
    redemption.sequence, redemption.hold_until, redemption.held = entry.sequence, until, points
    _keep(books, redemption)
    if account.due_at is None or until < account.due_at:
        account.due_at = until
    details = {"redemption_id": redemption.redemption_id, "hold_until": until} | _breakdown("hold", -points)
    say(books, account, "loyalty.points.held.v1", entry, details)
    return entry


def spend_at_once(
    books: Books, account: Account, redemption: Redemption, points: int, *, sparing: Lot | None = None
) -> Entry:
    """Take points that nobody held before; none of the lot `sparing`."""
    taken = _take(books, account, points, sparing=sparing)
    entry = entries.write(books, account, "redemption", redemption.redemption_id, books.now, available=-points)
    entries.allocate(books, account, entry.sequence, taken)
    parts = {part.lot_sequence: part for part in redemption.lots}
    for lot, points_of_lot in taken:
        parts.setdefault(lot.sequence, RedeemedLot(lot.sequence)).captured += points_of_lot
    redemption.lots = list(parts.values())
    redemption.sequence, redemption.status = entry.sequence, "captured"
    redemption.captured += points
    _keep(books, redemption)
    _say_redeemed(books, account, redemption, entry)
    return entry


def _take(books: Books, account: Account, points: int, *, sparing: Lot | None = None) -> list[tuple[Lot, int]]:
    taken, missing = spend([lot for lot in books.lots[account.customer_id] if lot is not sparing], points)
    assert not missing  # noqa: S101 - the second of the pair: the balance said that they are there
    return taken


def capture(books: Books, account: Account, redemption: Redemption, points: int) -> Entry:
    """Spend what is held, of the lot that ends first before others."""
    entry = entries.write(books, account, "redemption", redemption.redemption_id, books.now, held=-points)
    redemption.held -= points
    redemption.captured += points
    left = points
    for part, lot in _in_order(books, redemption):
        spent = min(part.held, left)
        if spent:
            part.held -= spent
            part.captured += spent
            left -= spent
            books.changes.allocate(account.customer_id, entry.sequence, lot.sequence, spent)
    if not redemption.held:
        redemption.status = "captured"
    _keep(books, redemption)
    _say_redeemed(books, account, redemption, entry)
    return entry


def free(
    books: Books, account: Account, redemption: Redemption, ending: Literal["released", "timed_out"], at: dt.datetime
) -> Entry:
    """Give back what is held still; what has ended meanwhile ends now (rule 9)."""
    points = redemption.held
    entry = entries.write(books, account, "release", redemption.redemption_id, at, available=points, held=-points)
    redemption.held = 0
    redemption.status = "captured" if redemption.captured else ending
    freed = [(part, lot) for part, lot in _in_order(books, redemption) if part.held]
    for part, lot in freed:
        entries.give_back(books, account, lot, part.held)
        part.held = 0
    _keep(books, redemption)
    details = {"redemption_id": redemption.redemption_id, "reason": ending} | _breakdown("release", points)
    say(books, account, "loyalty.points.released.v1", entry, details)
    for _, lot in freed:
        end_late(books, account, lot, by=at)
    return entry


def restore(books: Books, account: Account, redemption: Redemption, points: int, reference: str) -> Entry:
    """Give spent points back, of the lot that ends last before others.

    They go to the lots they came from with their old end; of one that has ended since, to a lot of their own that lives for
    the programme's grace, once (rule 9).
    """
    redemption.restored += points
    if redemption.restored == redemption.captured and not redemption.held:
        redemption.status = "reversed"
    _keep(books, redemption)
    same: list[tuple[Lot, int]] = []
    anew: list[tuple[Lot, int]] = []
    left = points
    for part, lot in reversed(_in_order(books, redemption)):
        back = min(part.captured - part.restored, left)
        if back:
            part.restored += back
            left -= back
            (same if _takes_back(books, account, redemption, lot) else anew).append((lot, back))
    written = [_restore_anew(books, account, redemption, lot, back, reference) for lot, back in anew]
    if same:
        written.append(_restore_same(books, account, redemption, same, reference))
    return written[-1]


def _takes_back(books: Books, account: Account, redemption: Redemption, lot: Lot) -> bool:
    """Tell whether points go back to the very lot: it is this account's, and has not ended or had its grace."""
    if redemption.customer_id != account.customer_id:
        return False
    return lot.graced or not books.programme.grace_days or not _has_ended(books, account, lot)


def _has_ended(books: Books, account: Account, lot: Lot) -> bool:
    ends_at = entries.end_of(books.programme, account, lot)
    return ends_at is not None and ends_at <= books.now


def _restore_same(
    books: Books, account: Account, redemption: Redemption, parts: list[tuple[Lot, int]], reference: str
) -> Entry:
    points = sum(part for _, part in parts)
    entry = entries.write(books, account, "restoration", reference, books.now, available=points)
    for lot, part in parts:
        books.changes.allocate(account.customer_id, entry.sequence, lot.sequence, -part)
        entries.give_back(books, account, lot, part)
    _say_restored(books, account, redemption, entry)
    for lot, _ in parts:
        end_late(books, account, lot)
    return entry


def _restore_anew(
    books: Books, account: Account, redemption: Redemption, old: Lot, points: int, reference: str
) -> Entry:
    lot = Lot(0, points, points)
    if _has_ended(books, account, old) and not old.graced:
        lot.graced = True
        lot.expires_on = books.today + dt.timedelta(days=books.programme.grace_days)
        lot.expires_at = dates.end_of(lot.expires_on, books.programme.zone)
    else:
        lot.expires_on, lot.expires_at, lot.lapses, lot.graced = old.expires_on, old.expires_at, old.lapses, old.graced
    entry = entries.credit(books, account, "restoration", points, reference, books.now, lot=lot)
    books.changes.changed_lots[account.customer_id, lot.sequence] = lot
    _say_restored(books, account, redemption, entry)
    end_late(books, account, lot)
    return entry


def _in_order(books: Books, redemption: Redemption) -> list[tuple[RedeemedLot, Lot]]:
    """Return the parts of a redemption with their lots, that which ends first before others."""
    lots = {lot.sequence: lot for lot in books.lots[redemption.customer_id]}
    return sorted(((part, lots[part.lot_sequence]) for part in redemption.lots), key=lambda each: order(each[1]))


def _keep(books: Books, redemption: Redemption) -> None:
    books.redemptions[redemption.redemption_id] = redemption
    books.changes.redemptions[redemption.redemption_id] = redemption


def _say_redeemed(books: Books, account: Account, redemption: Redemption, entry: Entry) -> None:
    details = {"redemption_id": redemption.redemption_id} | _breakdown("redemption", entry.points)
    say(books, account, "loyalty.points.redeemed.v1", entry, details)


def _say_restored(books: Books, account: Account, redemption: Redemption, entry: Entry) -> None:
    details = {"redemption_id": redemption.redemption_id} | _breakdown("restoration", entry.points)
    say(books, account, "loyalty.points.restored.v1", entry, details)


def _breakdown(rule: str, points: int) -> dict[str, object]:
    return {"breakdown": [{"rule": rule, "points": points}]}

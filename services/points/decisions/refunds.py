"""Refunds: before or after their purchase, in any order and any split, they end at the same points."""

import datetime as dt
import sys
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from services.points.books import Books, Progress
from services.points.commands import Outcome, RefundPurchase, refused
from services.points.decisions import clawbacks, snapshots
from services.points.decisions.events import PURCHASES_TOPIC, hear, is_heard, relay, say
from services.points.decisions.payments import give_back_paid
from services.points.decisions.tiers import lower
from services.points.programme import Programme
from services.points.records import Account, Entry, Purchase, Refund
from services.points.rules import earning
from shared.contracts.purchases import PurchaseRefunded
from shared.dates import is_ahead
from shared.requests import Origin

ZERO = Decimal(0)


def refund_purchase(books: Books, command: RefundPurchase) -> Outcome:
    said, origin = command.refund, command.origin
    known = books.refunds.get((said.shop_id, said.invoice_number, said.refund_id))
    if is_heard(books, origin):
        return _repeated(books, known)
    if known is not None and known.status != "refused":
        return _known_refund(books, known, said, origin)
    occurred_at = said.occurred_at or origin.time or origin.received_at
    if is_ahead(occurred_at, origin.received_at):
        return refused("occurred-in-future", f"{occurred_at} is more than 24 hours ahead", "/occurred_at")
    if said.shipping + said.gift_cards + (said.points_paid or ZERO) > said.amount:
        return refused("refund-parts-exceed-amount", "the parts of a refund are more than its amount", "/amount")
    refund = Refund(
        said.shop_id,
        said.invoice_number,
        said.refund_id,
        said.currency,
        said.amount,
        said.shipping,
        said.gift_cards,
        said.points_paid,
        said.kind,
        occurred_at,
        origin.received_at,
        said.customer_id,
    )
    return _new_refund(books, refund, origin)


def _known_refund(books: Books, known: Refund, said: PurchaseRefunded, origin: Origin) -> Outcome:
    if not _is_same(known, said):
        return refused("refund-conflict", f"refund {said.refund_id} is booked with other content", "/refund_id")
    hear(books, origin)
    return _repeated(books, known)


def _is_same(known: Refund, said: PurchaseRefunded) -> bool:
    names = ("currency", "amount", "shipping", "gift_cards", "points_paid", "kind")
    return all(getattr(known, name) == getattr(said, name) for name in names)


def _repeated(books: Books, known: Refund | None) -> Outcome:
    purchase = books.purchases.get((known.shop_id, known.invoice_number)) if known is not None else None
    account = _account_of(books, purchase)
    balance = account.balance if account else None
    return Outcome("repeated", purchase=purchase, refund=known, account=account, balance=balance)


def _account_of(books: Books, purchase: Purchase | None) -> Account | None:
    return books.accounts.get(purchase.customer_id) if purchase is not None and purchase.customer_id else None


def _new_refund(books: Books, refund: Refund, origin: Origin) -> Outcome:
    key = refund.shop_id, refund.invoice_number
    purchase = books.purchases.get(key)
    if purchase is None:
        purchase = Purchase(refund.shop_id, refund.invoice_number, origin.received_at)
        books.purchases[key] = purchase
        books.changes.purchases.append(purchase)
    refusal = None if purchase.status == "awaited" else _refusal(books, refund, purchase)
    if refusal is not None:
        return refusal
    if refund.key in books.refunds:  # one that had waited and was refused leaves its name to another try
        books.changes.retried_refunds.append(refund.key)
    books.refunds[refund.key] = refund
    books.changes.refunds[refund.key] = refund
    entry = None if purchase.status == "awaited" else _take_back(books, refund, purchase, origin)
    hear(books, origin)
    relay(books, PURCHASES_TOPIC, purchase.customer_id or refund.customer_id or "/".join(key), origin)
    if purchase.status == "awaited":
        books.waiting.setdefault(key, []).append(refund)
        return Outcome("waiting", purchase=purchase, refund=refund)
    account = _account_of(books, purchase)
    balance = account.balance if account else None
    return Outcome("booked", purchase=purchase, refund=refund, account=account, balance=balance, entry=entry)


def _refusal(books: Books, refund: Refund, purchase: Purchase) -> Outcome | None:
    if refund.currency != purchase.currency:
        return refused(
            "refund-currency", f"the purchase was in {purchase.currency}, not {refund.currency}", "/currency"
        )
    if refund.customer_id is not None and purchase.customer_id not in {None, refund.customer_id}:
        account = _account_of(books, purchase)
        if account is None or account is not books.accounts.get(refund.customer_id):
            return refused("refund-customer", "the purchase belongs to another customer", "/customer_id")
    total = purchase.total or ZERO
    if purchase.refunded + refund.amount > total:
        return refused(
            "refund-exceeds-purchase",
            f"{refund.amount} to refund, {total - purchase.refunded} of {total} {purchase.currency} not yet refunded",
            "/amount",
        )
    return None


def settle_waiting(books: Books, purchase: Purchase) -> None:
    """Book the refunds that came before their purchase, in the order of their arrival."""
    for refund in books.waiting.pop(purchase.key, ()):
        refusal = _refusal(books, refund, purchase)
        if refusal is None:
            _take_back(books, refund, purchase, None)
        else:
            refund.status = "refused"
            refund.refused_code = refusal.code
            books.changes.late_refusals.append((refund, refusal.code or "", refusal.detail or ""))
        books.changes.changed_refunds[refund.key] = refund


def _take_back(books: Books, refund: Refund, purchase: Purchase, origin: Origin | None) -> Entry | None:
    """Lower the purchase by the refund and, where it has earned, claw the points back."""
    purchase.refunded += refund.amount
    if refund.points_paid is None:
        part = earning.points_paid_part(
            paid=(purchase.points_paid or ZERO) + purchase.settled,
            total=purchase.total or ZERO,
            refunded=purchase.refunded,
            given_back=purchase.refunded_points_paid,
        )
        # what was settled after an earlier refund is returned by those that follow
        refund.points_paid_part = min(part, refund.amount)
    else:
        refund.points_paid_part = refund.points_paid
    purchase.refunded_points_paid += refund.points_paid_part
    refund.status = "booked"
    before = purchase.refunded_eligible
    purchase.refunded_eligible = settled_and_refunded(books, purchase)
    books.changes.changed_purchases[purchase.key] = purchase
    account = _account_of(books, purchase)
    if purchase.status != "booked" or account is None:
        return None
    give_back_paid(books, purchase, account, "/".join(refund.key))
    return _claw_back_refunded(books, refund, purchase, (before, purchase.refunded_eligible), origin)


def settled_and_refunded(books: Books, purchase: Purchase) -> Decimal:
    """Return what of the earn base is gone as things stand."""
    return _taken_back(purchase, _booked(books, purchase), _programme_of(books, purchase))


def _taken_back(purchase: Purchase, refunds: Iterable[Refund], programme: Programme) -> Decimal:
    """Return what of the earn base is gone: what the refunds say and was settled, and no less than of the total is gone.

    So a purchase that was taken back in full has earned nothing, whatever parts its refunds name.
    """
    counting = [each for each in refunds if each.kind == "money" or programme.store_credit_claws_back]
    said = sum((_counts(each, programme) for each in counting), purchase.settled)
    left = (purchase.total or ZERO) - sum((each.amount for each in counting), ZERO)
    return max(said, _eligible(purchase, programme) - left)


def _eligible(purchase: Purchase, programme: Programme) -> Decimal:
    parts = (part or ZERO for part in (purchase.shipping, purchase.gift_cards, purchase.points_paid))
    shipping, gift_cards, points_paid = parts
    sale = earning.Sale(purchase.total or ZERO, shipping=shipping, gift_cards=gift_cards, points_paid=points_paid)
    return earning.eligible(sale, programme)


def _counts(refund: Refund, programme: Programme) -> Decimal:
    """Return what of a refund lowers the earn base, as it says itself."""
    return earning.refund_counts(
        refund.amount,
        shipping=refund.shipping,
        gift_cards=refund.gift_cards,
        points_paid=refund.points_paid_part,
        programme=programme,
    )


def _programme_of(books: Books, purchase: Purchase) -> Programme:
    """Return the programme that a purchase was awarded by, or will be."""
    if purchase.award is not None:
        version = snapshots.load(purchase.award).version
        if version:
            return books.versions.number(version).programme
    return books.versions.at(purchase.occurred_at or books.now).programme


def claw_back_booked(books: Books, purchase: Purchase) -> None:
    """Claw back what was refunded of a purchase before it had a customer, as if each refund came only now."""
    account = _account_of(books, purchase)
    if account is not None:
        give_back_paid(books, purchase, account, "/".join(purchase.key))
    refunds, programme = _booked(books, purchase), _programme_of(books, purchase)
    gone = [_taken_back(purchase, refunds[:number], programme) for number in range(len(refunds) + 1)]
    for refund, taken_back in zip(refunds, pairwise(gone), strict=True):
        _claw_back_refunded(books, refund, purchase, taken_back, None)
        books.changes.changed_refunds[refund.key] = refund


def _claw_back_refunded(
    books: Books, refund: Refund, purchase: Purchase, taken_back: tuple[Decimal, Decimal], origin: Origin | None
) -> Entry | None:
    cause = Cause("/".join(refund.key), refund.occurred_at, {"refund_id": refund.refund_id}, origin)
    clawback = claw_back(books, purchase, taken_back, cause)
    refund.points, refund.points_expired = clawback.points, clawback.expired
    refund.entry_sequence = None if clawback.entry is None else clawback.entry.sequence
    return clawback.entry


def _booked(books: Books, purchase: Purchase) -> list[Refund]:
    """Return the booked refunds of a purchase that is refunded or claimed, in the order of their arrival."""
    of_this = [each for key, each in books.refunds.items() if key[:2] == purchase.key and each.status == "booked"]
    # those of this very batch have no number yet
    return sorted(of_this, key=lambda each: each.arrival or sys.maxsize)


class Cause(NamedTuple):
    """Why an award is clawed back, as its entry and its event name it."""

    reference: str
    occurred_at: dt.datetime
    details: dict[str, Any]
    origin: Origin | None = None


class Clawback(NamedTuple):
    """How many points were clawed back; `expired` ones had ended already, so that no entry took them."""

    points: int = 0
    expired: int = 0
    entry: Entry | None = None


def claw_back(books: Books, purchase: Purchase, taken_back: tuple[Decimal, Decimal], cause: Cause) -> Clawback:
    """Claw back what the purchase no longer earns; `taken_back` of its base before this, and with it."""
    account, snapshot = _account_of(books, purchase), snapshots.load(purchase.award or "")
    if account is None:
        return Clawback()
    before, after = (min(each, snapshot.gross) for each in taken_back)
    points = earning.clawback(snapshot, earned=purchase.points, taken_back=after, clawed_back=purchase.clawed_back)
    _uncount(books, purchase, account, points, after - before)
    if not points:
        return Clawback()
    purchase.clawed_back += points
    account.lifetime_points -= points
    books.changes.changed_accounts[account.customer_id] = account
    gone = clawbacks.expired_part(books, purchase.origin, account, points, met=purchase.clawed_back_expired)
    purchase.clawed_back_expired += gone
    if gone == points:
        return Clawback(points, gone)
    return Clawback(points, gone, _take(books, purchase, account, points - gone, cause))


def _uncount(books: Books, purchase: Purchase, account: Account, points: int, spend: Decimal) -> None:
    """Let a tier's count follow a refund, on the day of its purchase (rule 17)."""
    if not points and not spend:
        return
    day = _programme_of(books, purchase).local_day(purchase.occurred_at or books.now)
    progress = books.changes.progress.setdefault((account.customer_id, day), Progress())
    progress.points -= points
    progress.spend -= spend
    lower(books, account, day, points=points, spend=spend)


def _take(books: Books, purchase: Purchase, account: Account, points: int, cause: Cause) -> Entry:
    """Book what of a clawback has not expired already."""
    taken = clawbacks.take(
        books, account, "clawback", points, cause.reference, cause.occurred_at, origin=purchase.origin
    )
    details = {
        "shop_id": purchase.shop_id,
        "invoice_number": purchase.invoice_number,
        **cause.details,
        "breakdown": [{"rule": "clawback", "points": taken.entry.points}],
        "programme_version": snapshots.load(purchase.award or "").version,
    }
    say(books, account, "loyalty.points.reversed.v1", taken.entry, details, cause.origin)
    if taken.missing and _programme_of(books, purchase).unmet_clawback == "write_off":
        clawbacks.write_off(books, account, taken)
    return taken.entry

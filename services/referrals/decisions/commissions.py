"""What a referral earns a partner: held, due after the hold, taken back; whatever changes what is due is a line of its own."""

import datetime as dt
from collections.abc import Collection
from decimal import Decimal

from services.referrals.books import Books
from services.referrals.decisions.events import tell_partner
from services.referrals.records import ZERO, Commission, Line, Partner, PurchaseKey, Referral
from services.referrals.rules import commissions
from services.referrals.rules.commissions import Earned
from services.referrals.rules.qualifying import Sale
from services.referrals.terms import Terms, payable


def settle(books: Books, referral: Referral, sales: Collection[Sale]) -> None:
    """Bring a partner's commissions to what the sales of their customer earn by the terms of the claim."""
    if referral.partner_id is None:
        return
    release(books, referral)
    terms = _terms(books, referral)
    found = _earned(referral, sales, terms)
    known = books.commissions[referral.referral_id]
    _note(books, known, sales)
    for key in sorted(known.keys() - found.keys()):
        _bring(books, referral, known[key], ZERO)
    for key, each in found.items():
        if key not in known:
            known[key] = _new(referral, each.sale, terms)
        _bring(books, referral, known[key], each.amount)
    _watch(books, referral)
    release(books, referral)


def release(books: Books, referral: Referral) -> None:
    """Let commissions be due whose hold is over."""
    if referral.commissions_due_at is None or referral.commissions_due_at > books.now:
        return
    known = books.commissions[referral.referral_id].values()
    for commission in sorted(known, key=lambda each: (each.hold_until, each.key)):
        if commission.status == "held" and commission.hold_until <= books.now:
            _fall_due(books, referral, commission)
    _watch(books, referral)


def _terms(books: Books, referral: Referral) -> Terms:
    return books.partners[referral.partner_id or ""].versions.number(referral.terms_version or 0).programme


def _earned(referral: Referral, sales: Collection[Sale], terms: Terms) -> dict[PurchaseKey, Earned]:
    """Return what each sale earns; while a claim is under review, or when it was rejected, nothing does."""
    if referral.status in {"review", "rejected"}:
        return {}
    found = commissions.earned(sales, referral.claimed_at, referral.qualifies_until or referral.claimed_at, terms)
    return {(each.sale.shop_id, each.sale.invoice_number): each for each in found}


def _note(books: Books, known: dict[PurchaseKey, Commission], sales: Collection[Sale]) -> None:
    """Let commissions know what was refunded of their sales."""
    for sale in sales:
        commission = known.get((sale.shop_id, sale.invoice_number))
        if commission is not None and commission.refunded != sale.refunded:
            commission.refunded = sale.refunded
            _keep(books, commission)


def _new(referral: Referral, sale: Sale, terms: Terms) -> Commission:
    return Commission(
        referral.referral_id,
        sale.shop_id,
        sale.invoice_number,
        referral.partner_id or "",
        sale.occurred_at,
        commissions.hold_until(sale, terms),
        terms.currency,
        sold=sale.amount,
        refunded=sale.refunded,
    )


def _watch(books: Books, referral: Referral) -> None:
    """Note when the first hold is over."""
    known = books.commissions[referral.referral_id].values()
    due_at = min((each.hold_until for each in known if each.status == "held"), default=None)
    if due_at != referral.commissions_due_at:
        referral.commissions_due_at = due_at
        books.changes.referrals[referral.referral_id] = referral


# A commission


def _bring(books: Books, referral: Referral, commission: Commission, amount: Decimal) -> None:
    """Let a commission be what its sale earns now: refunds only ever lower it, another sale may take its place or leave it."""
    change = amount - commission.amount
    if not change:
        return
    before, commission.amount = commission.status, amount
    _keep(books, commission)
    if before == "reversed":
        commission.status = "held"
        place = {"shop_id": commission.shop_id, "invoice_number": commission.invoice_number}
        tell_partner(books, referral, "referral.qualified", **place, hold_until=commission.hold_until)
        return
    if not amount:
        commission.status = "reversed"
    if before == "due":
        _write(books, commission, change, _reason(referral, commission))
    if before == "due" or not amount:
        _tell_reversed(books, referral, commission, -change if before == "due" else None)


def _reason(referral: Referral, commission: Commission) -> str:
    """Return why less is earned: what became of the claim, a refund, or an earlier sale that has taken the place."""
    if referral.status == "rejected" and referral.reason is not None:
        return referral.reason
    return "refunded" if commission.refunded else "earlier-sale"


def _fall_due(books: Books, referral: Referral, commission: Commission) -> None:
    known = books.commissions[referral.referral_id].values()
    commission.status, commission.round = "due", 1 + max(each.round for each in known)
    _write(books, commission, commission.amount, "due")
    reward = _money(commission, commission.amount)
    tell_partner(books, referral, "referral.rewarded", reward_id=_name(commission), reward=reward)


def _tell_reversed(books: Books, referral: Referral, commission: Commission, taken_back: Decimal | None) -> None:
    """Say that less is earned; what never was due has no name that anybody knows."""
    details: dict[str, object] = {"reward_id": None}
    if taken_back is not None:
        reward = _money(commission, taken_back)
        details = {"reward_id": _name(commission), "reward_kind": "commission", "taken_back": reward}
    tell_partner(books, referral, "referral.reversed", **details, reason=_reason(referral, commission))


def _name(commission: Commission) -> str:
    return f"{commission.referral_id}/partner/{commission.round}"


def _money(commission: Commission, amount: Decimal) -> dict[str, str]:
    return {
        "kind": "commission",
        "amount": str(payable(amount, commission.currency)),
        "currency": commission.currency,
        "shop_id": commission.shop_id,
        "invoice_number": commission.invoice_number,
    }


def _keep(books: Books, commission: Commission) -> None:
    books.changes.commissions[commission.referral_id, commission.key] = commission


# Its lines


def _write(books: Books, commission: Commission, amount: Decimal, reason: str) -> None:
    """Write a line onto the statement of this month, or of the first that is still open."""
    partner = books.partners[commission.partner_id]
    partner.line_number += 1
    books.changes.partners[partner.partner_id] = partner
    commission.month = _month(books, partner)
    _keep(books, commission)
    line = Line(
        partner.partner_id,
        partner.line_number,
        commission.month,
        amount,
        commission.referral_id,
        commission.shop_id,
        commission.invoice_number,
        reason,
        commission.sold,
        commission.refunded,
        books.now,
    )
    books.changes.lines.append(line)


def _month(books: Books, partner: Partner) -> dt.date:
    month = books.programme.month(books.now)
    return month if partner.open_from is None else max(month, partner.open_from)

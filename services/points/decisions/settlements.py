"""Settlements: points pay a purchase that was paid already, and the shop gives its money back."""

from decimal import Decimal

from services.points.books import Books
from services.points.commands import Outcome, SettlePurchase, refused
from services.points.decisions.accounts import inactive, insufficient
from services.points.decisions.clawbacks import own_lot
from services.points.decisions.events import say
from services.points.decisions.holds import spend_at_once
from services.points.decisions.refunds import Cause, claw_back, settled_and_refunded
from services.points.programme import PayWithPoints
from services.points.records import Account, Entry, Purchase, Redemption, Settlement
from services.points.rules.redeeming import worth

ZERO = Decimal(0)


def settle_purchase(books: Books, command: SettlePurchase) -> Outcome:
    purchase = books.purchases.get((command.shop_id, command.invoice_number))
    if purchase is None or purchase.status == "awaited":
        return refused("purchase-unknown", f"no purchase {command.invoice_number} of {command.shop_id}")
    account = books.accounts.get(purchase.customer_id or "")
    if purchase.status != "booked" or account is None:
        return refused("purchase-unclaimed", "the purchase has no customer yet, whose points could pay for it")
    if account.status != "active":
        return inactive(account, account.customer_id)
    rule, currency = books.programme.pay_with_points, purchase.currency or ""
    per_unit = None if rule is None else rule.points_per_unit.get(currency)
    if rule is None or per_unit is None:
        return refused("points-do-not-pay", f"the programme has no value of points in {currency}")
    amount = worth(command.points, per_unit=per_unit)
    return _refusal(books, command, purchase, account, rule, amount) or _settle(
        books, command, purchase, account, amount
    )


def _refusal(
    books: Books, command: SettlePurchase, purchase: Purchase, account: Account, rule: PayWithPoints, amount: Decimal
) -> Outcome | None:
    if command.points < rule.minimum or command.points % rule.step or not amount:
        detail = f"points pay from {rule.minimum} on, in steps of {rule.step}, and whole cents"
        return refused("points-do-not-fit", detail, "/points")
    left, share = _left(purchase), _share_left(purchase, rule)
    if amount > min(left, share):
        detail = f"{amount} to settle, {left} of the purchase is paid and neither refunded nor settled"
        if share < left:
            detail = f"{amount} to settle, points may pay {max(share, ZERO)} more of this purchase"
        return refused("settlement-exceeds-purchase", detail, "/points")
    own = own_lot(books, purchase.origin, account)
    earned = own.remaining if own is not None and not own.pending else 0
    # what the purchase itself has earned can't pay for it (rule 19)
    if account.available - earned < command.points:
        return insufficient(account, command.points)
    return None


def _left(purchase: Purchase) -> Decimal:
    """Return what was paid in money, and is neither refunded nor settled."""
    with_points = (purchase.points_paid or ZERO) + purchase.settled - purchase.refunded_points_paid
    return (purchase.total or ZERO) - purchase.refunded - with_points


def _share_left(purchase: Purchase, rule: PayWithPoints) -> Decimal:
    return (purchase.total or ZERO) * rule.largest_share - (purchase.points_paid or ZERO) - purchase.settled


def _settle(books: Books, command: SettlePurchase, purchase: Purchase, account: Account, amount: Decimal) -> Outcome:
    redemption = Redemption(
        command.redemption_id,
        account.customer_id,
        command.points,
        0,
        "captured",
        command.occurred_at,
        shop_id=purchase.shop_id,
        invoice_number=purchase.invoice_number,
        paid_purchase=True,
    )
    own = own_lot(books, purchase.origin, account)
    entry = spend_at_once(books, account, redemption, command.points, sparing=own)
    before = purchase.refunded_eligible
    purchase.redeemed += command.points
    purchase.settled += amount
    purchase.refunded_eligible = settled_and_refunded(books, purchase)
    books.changes.changed_purchases[purchase.key] = purchase
    settlement = _record(command, purchase, account, amount)
    _say_settled(books, account, settlement, entry)
    cause = Cause(command.redemption_id, command.occurred_at, {"redemption_id": command.redemption_id})
    clawback = claw_back(books, purchase, (before, purchase.refunded_eligible), cause)
    settlement.clawed_back, settlement.clawed_back_expired = clawback.points, clawback.expired
    settlement.entry_sequence = None if clawback.entry is None else clawback.entry.sequence
    books.changes.settlements.append(settlement)
    return Outcome("booked", purchase=purchase, account=account, balance=account.balance, settlement=settlement)


def _record(command: SettlePurchase, purchase: Purchase, account: Account, amount: Decimal) -> Settlement:
    return Settlement(
        command.redemption_id,
        purchase.shop_id,
        purchase.invoice_number,
        account.customer_id,
        purchase.currency or "",
        amount,
        command.points,
        command.occurred_at,
    )


def _say_settled(books: Books, account: Account, settlement: Settlement, entry: Entry) -> None:
    """Tell the shop to give the money back."""
    details = {
        "redemption_id": settlement.redemption_id,
        "shop_id": settlement.shop_id,
        "invoice_number": settlement.invoice_number,
        "currency": settlement.currency,
        "amount": str(settlement.amount),
        "breakdown": [{"rule": "settlement", "points": entry.points}],
    }
    say(books, account, "loyalty.purchase.settled.v1", entry, details)

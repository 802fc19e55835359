"""Purchases that are paid with points: holds captured by the purchase that names them, points back as it is returned."""

from decimal import Decimal

from services.points.books import Books
from services.points.decisions.holds import capture, free, restore, spend_at_once
from services.points.programme import PayWithPoints
from services.points.records import Account, Purchase, Redemption
from services.points.rules.redeeming import given_back, points_for
from shared.contracts.purchases import PurchaseCompleted

ZERO = Decimal(0)


def pay(books: Books, record: Purchase, account: Account, said: PurchaseCompleted) -> None:
    """Capture the redemptions that a purchase names; where they are not there, it stands and says so (rule 19)."""
    if not said.redemption_ids:
        return
    named = [books.redemptions.get(each) for each in dict.fromkeys(said.redemption_ids)]
    usable = [each for each in named if each is not None and _may_pay(books, record, account, each)]
    programme = books.versions.at(record.occurred_at or books.now).programme
    wanted = _wanted(said, programme.pay_with_points)
    for redemption in usable:
        left = redemption.points if wanted is None else wanted - record.redeemed
        record.redeemed += _pay_with(books, record, account, redemption, left)
    asked = sum(each.points for each in named if each is not None) if wanted is None else wanted
    record.unpaid = max(0, asked - record.redeemed)
    books.changes.changed_purchases[record.key] = record


def _wanted(said: PurchaseCompleted, rule: PayWithPoints | None) -> int | None:
    """Return how many points a purchase was paid with; none where only its redemptions know."""
    per_unit = None if rule is None else rule.points_per_unit.get(said.currency)
    return points_for(said.points_paid, per_unit=per_unit) if per_unit and said.points_paid else None


def _may_pay(books: Books, record: Purchase, account: Account, redemption: Redemption) -> bool:
    """Tell whether it is the buyer's, and has not paid for another purchase or a reward."""
    is_free = not redemption.paid_purchase or (redemption.shop_id, redemption.invoice_number) == record.key
    return is_free and redemption.claim_id is None and books.accounts.get(redemption.customer_id) is account


def _pay_with(books: Books, record: Purchase, account: Account, redemption: Redemption, left: int) -> int:
    """Spend what is needed of a redemption, the rest of it goes free. Returns the points that it paid."""
    if redemption.held:
        points = min(redemption.held, left)
        if points:
            capture(books, account, redemption, points)
        if redemption.held:
            free(books, account, redemption, "released", books.now)
    elif redemption.status == "timed_out" and 0 < min(redemption.points, left) <= account.available:
        spend_at_once(books, account, redemption, min(redemption.points, left))
    paid = redemption.captured - redemption.restored
    if paid:
        redemption.paid_purchase = True
        redemption.shop_id, redemption.invoice_number = record.key
        books.changes.redemptions[redemption.redemption_id] = redemption
    return paid


def give_back_paid(books: Books, purchase: Purchase, account: Account, reference: str) -> None:
    """Give points back in proportion to what was returned of the part that they paid (rule 16)."""
    if not purchase.redeemed:
        return
    paid, returned = (purchase.points_paid or ZERO) + purchase.settled, purchase.refunded_points_paid
    if not paid:  # points that paid for no part of the total, as for an article that is free
        paid, returned = purchase.total or ZERO, purchase.refunded
    back = given_back(purchase.redeemed, paid=paid, returned=returned)
    missing = back - purchase.restored
    purchase.restored = max(purchase.restored, back)
    for redemption in sorted(_that_paid(books, purchase), key=lambda each: (each.created_at, each.redemption_id)):
        points = min(missing, redemption.captured - redemption.restored)
        if points > 0:
            restore(books, account, redemption, points, reference)
            missing -= points


def _that_paid(books: Books, purchase: Purchase) -> list[Redemption]:
    return [
        each
        for each in books.redemptions.values()
        if each.paid_purchase and (each.shop_id, each.invoice_number) == purchase.key
    ]

"""The life of a referral: brought to what all that is known says of it, whenever any of that changes (rule 25)."""

from services.referrals.books import Books
from services.referrals.commands import Outcome, SettleReferral
from services.referrals.decisions import commissions, rewards
from services.referrals.decisions.events import tell_both, tell_partner
from services.referrals.records import Referral
from services.referrals.rules import qualifying
from services.referrals.rules.qualifying import Sale
from services.referrals.rules.rewards import hold_until


def keep(books: Books, referral: Referral) -> None:
    """Note that a referral is new, or changed."""
    changes, name = books.changes, referral.referral_id
    is_new = name not in books.referrals or name in changes.new_referrals
    (changes.new_referrals if is_new else changes.referrals)[name] = books.referrals[name] = referral


def settle(books: Books, referral: Referral) -> None:
    """Bring a referral to what its claim, the friend's purchases and the time say together."""
    if not referral.is_live:
        return
    release(books, referral)
    if not referral.is_live:  # its review was over
        return
    found = qualifying.judge(sales_of(books, referral.friend_id), referral.claimed_at, books.programme_of(referral))
    if found.bought_before:
        reject(books, referral, "bought-before")
    elif referral.status == "review":
        return
    elif found.qualifying is not None:
        _qualify(books, referral, found.qualifying)
    elif referral.has_qualified:
        _unqualify(books, referral, "refunded")
    release(books, referral)
    commissions.settle(books, referral, sales_of(books, referral.friend_id))


def settle_referral(books: Books, command: SettleReferral) -> Outcome:
    """Answer with the referral: what was due on it is booked already, as on every one of the batch."""
    return Outcome("ignored", referral=books.referrals.get(command.referral_id))


def sales_of(books: Books, friend_id: str) -> list[Sale]:
    friend = books.customer(friend_id)
    found = (purchase.sale for purchase in books.sales.get(friend.customer_id, {}).values())
    return [sale for sale in found if sale is not None]


def release(books: Books, referral: Referral) -> None:
    """Book what time alone brings: the end of a review, the end of a hold."""
    commissions.release(books, referral)
    if referral.life_due_at is None or referral.life_due_at > books.now:
        return
    if referral.status == "qualified":
        _release_hold(books, referral)
    elif books.programme_of(referral).review_deadline == "accept":
        accept(books, referral, "deadline")
    else:
        reject(books, referral, "review-over")


def accept(books: Books, referral: Referral, actor: str) -> None:
    referral.status, referral.decided_by, referral.review_until = "claimed", actor, None
    keep(books, referral)
    details = {"status": "claimed", "qualifies_until": referral.qualifies_until}
    tell_both(books, referral, "referral.registered", **details)
    tell_partner(books, referral, "referral.registered", **details)
    settle(books, referral)


def reject(books: Books, referral: Referral, reason: str) -> None:
    """Let a referral not count; what was given for it is taken back, and the friend is free."""
    if referral.has_qualified:
        _unqualify(books, referral, reason)
    referral.status, referral.reason, referral.review_until = "rejected", reason, None
    books.count(referral, -1)
    friend = books.customer(referral.friend_id).customer_id
    if books.live.get(friend) is referral:
        del books.live[friend]
    keep(books, referral)
    commissions.settle(books, referral, sales_of(books, referral.friend_id))
    tell_both(books, referral, "referral.rejected", reason=reason)
    tell_partner(books, referral, "referral.rejected", reason=reason)


def _qualify(books: Books, referral: Referral, sale: Sale) -> None:
    key = sale.shop_id, sale.invoice_number
    if referral.has_qualified and key == (referral.shop_id, referral.invoice_number):
        return
    programme = books.programme_of(referral)
    is_new = not referral.has_qualified
    referral.shop_id, referral.invoice_number = key
    referral.qualified_at, referral.hold_until = sale.occurred_at, hold_until(sale, programme)
    keep(books, referral)
    # an earlier purchase that arrived late takes the place of another: nobody gets anything for that
    if not is_new:
        return
    referral.status = "qualified"
    referral.round += 1
    place = {"shop_id": sale.shop_id, "invoice_number": sale.invoice_number, "hold_until": referral.hold_until}
    tell_both(books, referral, "referral.qualified", **place)
    rewards.begin(books, referral)


def _release_hold(books: Books, referral: Referral) -> None:
    referral.status = "rewarded"
    keep(books, referral)
    rewards.finish(books, referral)


def _unqualify(books: Books, referral: Referral, reason: str) -> None:
    was_rewarded = referral.status == "rewarded"
    referral.status, referral.hold_until = "claimed", None
    keep(books, referral)
    rewards.take_back(books, referral, reason, was_rewarded=was_rewarded)

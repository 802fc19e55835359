"""Redemptions: points spent at once or out of a hold, let go again, given back."""

import datetime as dt
from dataclasses import replace

from services.points.books import Books
from services.points.commands import CaptureHold, Outcome, Redeem, ReleaseHold, ReverseRedemption, refused
from services.points.decisions.accounts import inactive, insufficient
from services.points.decisions.holds import capture, free, hold, restore, spend_at_once
from services.points.decisions.transfers import gather, within_reach
from services.points.records import Account, Entry, Redemption


def redeem(books: Books, command: Redeem) -> Outcome:
    account = books.accounts.get(command.customer_id)
    if account is None:
        return refused("account-unknown", f"customer {command.customer_id} has no account", "/customer_id")
    if account.status != "active":
        return inactive(account, command.customer_id, "/customer_id")
    reach = within_reach(books, account)
    if reach < command.points:
        return insufficient(account, command.points, reach)
    gather(books, account, command.points)
    redemption = Redemption(
        command.redemption_id,
        account.customer_id,
        command.points,
        0,
        "held",
        command.occurred_at,
        shop_id=command.shop_id,
        invoice_number=command.invoice_number,
    )
    if command.hold_seconds is None:
        entry = spend_at_once(books, account, redemption, command.points)
    else:
        until = books.now + dt.timedelta(seconds=command.hold_seconds)
        entry = hold(books, account, redemption, command.points, until=until)
    return _answer(account, redemption, entry)


def capture_hold(books: Books, command: CaptureHold) -> Outcome:
    redemption, account = _find(books, command.redemption_id)
    if redemption is None or account is None:
        return _unknown(command.redemption_id)
    if not redemption.held:
        return _captured_before(account, redemption, command)
    points = redemption.held if command.points is None else command.points
    if points > redemption.held:
        detail = f"{points} points to capture, {redemption.held} of {redemption.points} held"
        return refused("capture-exceeds-hold", detail, "/points")
    entry = capture(books, account, redemption, points)
    if command.final and redemption.held:
        free(books, account, redemption, "released", books.now)
    return _answer(account, redemption, entry)


def _captured_before(account: Account, redemption: Redemption, command: CaptureHold) -> Outcome:
    """Answer the same where the purchase that it paid for has captured it already (rule 19)."""
    if redemption.paid_purchase and command.points in {None, redemption.captured}:
        return _answer(account, redemption)
    return _not_held(redemption)


def release_hold(books: Books, command: ReleaseHold) -> Outcome:
    redemption, account = _find(books, command.redemption_id)
    if redemption is None or account is None:
        return _unknown(command.redemption_id)
    if redemption.status in {"released", "timed_out"}:
        return _answer(account, redemption)
    if not redemption.held:
        return _not_held(redemption)
    return _answer(account, redemption, free(books, account, redemption, "released", books.now))


def reverse_redemption(books: Books, command: ReverseRedemption) -> Outcome:
    redemption, account = _find(books, command.redemption_id)
    if redemption is None or account is None:
        return _unknown(command.redemption_id)
    if redemption.paid_purchase:
        detail = f"it paid for purchase {redemption.invoice_number} of {redemption.shop_id}: refund that"
        return refused("redemption-paid-purchase", detail)
    if redemption.claim_id is not None:
        return refused("redemption-for-reward", f"it paid for a reward: cancel claim {redemption.claim_id}")
    left = redemption.captured - redemption.restored
    points = left if command.points is None else command.points
    if not left or points > left:
        detail = f"{points} points to give back, {left} of {redemption.captured} spent"
        return refused("reversal-exceeds-redemption", detail, "/points")
    return _answer(account, redemption, restore(books, account, redemption, points, redemption.redemption_id))


def _find(books: Books, redemption_id: str) -> tuple[Redemption | None, Account | None]:
    redemption = books.redemptions.get(redemption_id)
    return redemption, None if redemption is None else books.accounts.get(redemption.customer_id)


def _unknown(redemption_id: str) -> Outcome:
    return refused("redemption-unknown", f"there is no redemption {redemption_id}")


def _not_held(redemption: Redemption) -> Outcome:
    detail = f"nothing of it is held: it is {redemption.status.replace('_', ' ')}"
    return refused("redemption-not-held", detail)


def _answer(account: Account, redemption: Redemption, entry: Entry | None = None) -> Outcome:
    return Outcome(
        "booked" if entry else "repeated",
        account=account,
        balance=account.balance,
        entry=entry,
        # as it is now, whatever the same batch makes of it
        redemption=replace(redemption),
    )

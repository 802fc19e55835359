"""What commands do to the books: a function for each, decided on what was loaded, without I/O and without a clock."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from services.notifications.books import Books
from services.notifications.commands import (
    ChooseConsents,
    Command,
    ConfirmConsent,
    HearConsent,
    HearReport,
    IssueCoupon,
    LiftAddress,
    Outcome,
    RedeemCoupon,
    ReleaseCoupon,
    Reply,
    Request,
    ReserveCoupon,
    SettleCoupon,
    TakeBack,
    UseCoupons,
    VoidCoupon,
    deed,
    lasts,
)
from services.notifications.decisions.consents import (
    choose_consents,
    confirm_consent,
    hear_consent,
    hear_report,
    lift_address,
)
from services.notifications.decisions.coupons import (
    issue_coupon,
    lapse,
    redeem_coupon,
    release_coupon,
    reserve_coupon,
    settle_coupon,
    void_coupon,
)
from services.notifications.decisions.purchases import take_back, use_coupons
from shared.requests import Desk

DECISIONS: Mapping[type[Command], Callable[[Books, Any], Outcome]] = {
    IssueCoupon: issue_coupon,
    VoidCoupon: void_coupon,
    UseCoupons: use_coupons,
    TakeBack: take_back,
    ReserveCoupon: reserve_coupon,
    RedeemCoupon: redeem_coupon,
    ReleaseCoupon: release_coupon,
    SettleCoupon: settle_coupon,
    HearConsent: hear_consent,
    ConfirmConsent: confirm_consent,
    ChooseConsents: choose_consents,
    HearReport: hear_report,
    LiftAddress: lift_address,
}


def decide(books: Books, requests: Sequence[Request]) -> list[Reply]:
    """Book what is due on the coupons, then answer each request in turn; each sees what those before it did."""
    for coupon in list(books.coupons.values()):
        lapse(books, coupon)
    desk = Desk(partial(_decide, books), books.answers, deed=deed, lasts=lasts)
    return [desk.reply(request) for request in requests]


def _decide(books: Books, command: Command) -> Outcome:
    return DECISIONS[type(command)](books, command)

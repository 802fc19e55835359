"""What commands do to the books: a function for each, decided on what was loaded, without I/O and without a clock."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from services.notifications.books import Books
from services.notifications.commands import (
    AnnounceCoupon,
    BookDelivery,
    ChooseConsents,
    Command,
    ConfirmConsent,
    CountPoints,
    CreateShared,
    DropMessage,
    DropSegment,
    EndShared,
    EraseCustomer,
    HearConsent,
    HearDelivery,
    HearMerge,
    HearProfile,
    HearReport,
    HearStanding,
    IssueCoupon,
    KeepSegment,
    LiftAddress,
    Outcome,
    PlanMessage,
    PutProfile,
    RedeemCoupon,
    ReleaseCoupon,
    Reply,
    Request,
    ReserveCoupon,
    RetryNotification,
    Say,
    SettleCoupon,
    TakeBack,
    UseCoupons,
    VoidCoupon,
    deed,
    lasts,
    refused,
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
from services.notifications.decisions.customers import hear_merge, hear_standing
from services.notifications.decisions.delivering import book_delivery, hear_delivery, retry
from services.notifications.decisions.digests import count_points
from services.notifications.decisions.erasing import concerned, erase_customer
from services.notifications.decisions.news import announce_coupon, drop_message, plan_message
from services.notifications.decisions.profiles import hear_profile, put_profile
from services.notifications.decisions.purchases import take_back, use_coupons
from services.notifications.decisions.saying import say
from services.notifications.decisions.segments import drop_segment, keep_segment
from services.notifications.decisions.shared_codes import create_shared, end_shared, lapse_shared
from shared.requests import Desk
from shared.withholding import ERASED

DECISIONS: Mapping[type[Command], Callable[[Books, Any], Outcome]] = {
    IssueCoupon: issue_coupon,
    VoidCoupon: void_coupon,
    UseCoupons: use_coupons,
    TakeBack: take_back,
    ReserveCoupon: reserve_coupon,
    RedeemCoupon: redeem_coupon,
    ReleaseCoupon: release_coupon,
    SettleCoupon: settle_coupon,
    HearStanding: hear_standing,
    HearMerge: hear_merge,
    HearProfile: hear_profile,
    PutProfile: put_profile,
    KeepSegment: keep_segment,
    DropSegment: drop_segment,
    CreateShared: create_shared,
    EndShared: end_shared,
    PlanMessage: plan_message,
    DropMessage: drop_message,
    CountPoints: count_points,
    AnnounceCoupon: announce_coupon,
    Say: say,
    BookDelivery: book_delivery,
    RetryNotification: retry,
    HearDelivery: hear_delivery,
    HearConsent: hear_consent,
    ConfirmConsent: confirm_consent,
    ChooseConsents: choose_consents,
    HearReport: hear_report,
    LiftAddress: lift_address,
    EraseCustomer: erase_customer,
}


def decide(books: Books, requests: Sequence[Request]) -> list[Reply]:
    """Book what is due on the codes, then answer each request in turn; each sees what those before it did."""
    for coupon in list(books.coupons.values()):
        lapse(books, coupon)
    for kept in list(books.kept.values()):
        lapse_shared(books, kept)
    desk = Desk(partial(_decide, books), books.answers, deed=deed, lasts=lasts)
    return [desk.reply(request) for request in requests]


def _decide(books: Books, command: Command) -> Outcome:
    if any(map(books.is_erased, concerned(books, command))):
        return refused(ERASED, "this customer was erased")
    return DECISIONS[type(command)](books, command)

"""What a batch of commands needs of the books: noted before anything is asked of the database."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from services.notifications.books import RefundKey
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
    PlanMessage,
    PutProfile,
    RedeemCoupon,
    ReleaseCoupon,
    ReserveCoupon,
    RetryNotification,
    Say,
    SettleCoupon,
    TakeBack,
    UseCoupons,
    VoidCoupon,
)
from services.notifications.records import QUESTION, AddressKey, MessageKey, SaleKey, question_reference
from services.notifications.rules.consent import spelled


class Wanted:
    """What a batch of commands needs to have loaded."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self.coupons: set[str] = set()
        self.codes: set[str] = set()
        self.new_codes: set[str] = set()
        """Purchases may have named these before."""
        self.reservations: set[str] = set()
        self.sales: set[SaleKey] = set()
        self.refunds: set[RefundKey] = set()
        self.customers: set[str] = set()
        self.merging: set[str] = set()
        """Customers who become one."""
        self.dated: set[str] = set()
        """Customers whose own dates may change."""
        self.segments: set[str] = set()
        self.cards: set[str] = set()
        self.new_cards: set[str] = set()
        """Cards that are heard of, for which purchases may wait."""
        self.notifications: set[UUID] = set()
        self.messages: set[MessageKey] = set()
        self.digests: set[str] = set()
        self.heard_by: set[str] = set()
        """Customers of whom has to be known how they may be reached."""
        self.dispatches: set[UUID] = set()
        self.consents: set[str] = set()
        self.addresses: set[AddressKey] = set()
        for command in commands:
            NEEDS[type(command)](self, command)


def _coupon(wanted: Wanted, command: IssueCoupon | VoidCoupon) -> None:
    wanted.coupons.add(command.coupon_id)
    wanted.customers.add(command.customer_id)
    if command.code is not None:
        wanted.codes.add(command.code)
        wanted.new_codes.add(command.code)


def _new_code(wanted: Wanted, command: CreateShared) -> None:
    wanted.codes.add(command.code)
    wanted.new_codes.add(command.code)


def _code(wanted: Wanted, command: EndShared | SettleCoupon) -> None:
    wanted.codes.add(command.code)


def _purchase(wanted: Wanted, command: UseCoupons) -> None:
    wanted.sales.add((command.shop_id, command.invoice_number))
    wanted.codes.update(command.codes)
    _customer(wanted, command.customer_id)
    if command.customer_id is None and command.card_number is not None:
        wanted.cards.add(command.card_number)


def _refund(wanted: Wanted, command: TakeBack) -> None:
    wanted.sales.add((command.shop_id, command.invoice_number))
    wanted.refunds.add((command.shop_id, command.invoice_number, command.refund_id))


def _till(wanted: Wanted, command: ReserveCoupon | RedeemCoupon | ReleaseCoupon) -> None:
    wanted.codes.add(command.code)
    if command.reservation is not None:
        wanted.reservations.add(command.reservation)
    if isinstance(command, RedeemCoupon):
        wanted.sales.add((command.shop_id, command.invoice_number))
    if not isinstance(command, ReleaseCoupon) and command.basket is not None:
        _customer(wanted, command.basket.customer_id)


def _customer(wanted: Wanted, customer_id: str | None) -> None:
    if customer_id is not None:
        wanted.customers.add(customer_id)


def _message(wanted: Wanted, command: PlanMessage | DropMessage) -> None:
    wanted.customers.add(command.customer_id)
    wanted.messages.add((command.customer_id, command.subject, command.reference))
    if isinstance(command, PlanMessage) and command.coupon_id is not None:
        wanted.coupons.add(command.coupon_id)


def _digest(wanted: Wanted, command: CountPoints) -> None:
    wanted.customers.add(command.customer_id)
    wanted.digests.add(command.customer_id)


def _announcement(wanted: Wanted, command: AnnounceCoupon) -> None:
    wanted.coupons.add(command.coupon_id)


def _dispatch(wanted: Wanted, command: Say | BookDelivery | HearDelivery | RetryNotification) -> None:
    wanted.customers.add(command.customer_id)
    wanted.notifications.add(command.notification_id)
    wanted.dispatches.add(command.notification_id)


def _saying(wanted: Wanted, command: Say) -> None:
    _dispatch(wanted, command)
    wanted.heard_by.add(command.customer_id)
    wanted.coupons.add(str(command.notification_id))
    if command.code is not None:
        wanted.codes.add(command.code)


def _person(wanted: Wanted, command: HearProfile) -> None:
    wanted.customers.add(command.customer_id)


def _profile(wanted: Wanted, command: PutProfile) -> None:
    wanted.customers.add(command.customer_id)
    wanted.dated.add(command.customer_id)


def _standing(wanted: Wanted, command: HearStanding) -> None:
    wanted.customers.add(command.customer_id)
    if command.card_number is not None:
        wanted.new_cards.add(command.card_number)


def _merge(wanted: Wanted, command: HearMerge) -> None:
    wanted.customers |= {command.customer_id, command.into}
    wanted.merging |= {command.customer_id, command.into}
    wanted.digests |= {command.customer_id, command.into}


def _erasure(wanted: Wanted, command: EraseCustomer) -> None:
    wanted.customers.add(command.customer_id)
    wanted.merging.add(command.customer_id)


def _segment(wanted: Wanted, command: KeepSegment | DropSegment) -> None:
    wanted.segments.add(command.name)


def _consents(wanted: Wanted, command: HearConsent | ConfirmConsent | ChooseConsents) -> None:
    wanted.customers.add(command.customer_id)
    wanted.consents.add(command.customer_id)
    said = command.choices if isinstance(command, ChooseConsents) else (command,)
    for each in said:
        if isinstance(each, HearConsent) and each.is_given and each.at is not None:
            reference = question_reference(each.channel, each.purpose, each.at)
            wanted.messages.add((each.customer_id, QUESTION, reference))


def _address(wanted: Wanted, command: HearReport | LiftAddress) -> None:
    wanted.addresses.add((command.channel, spelled(command.channel, command.address)))


NEEDS: Mapping[type[Command], Callable[[Wanted, Any], None]] = {
    IssueCoupon: _coupon,
    VoidCoupon: _coupon,
    UseCoupons: _purchase,
    TakeBack: _refund,
    ReserveCoupon: _till,
    RedeemCoupon: _till,
    ReleaseCoupon: _till,
    SettleCoupon: _code,
    CreateShared: _new_code,
    EndShared: _code,
    PlanMessage: _message,
    DropMessage: _message,
    CountPoints: _digest,
    AnnounceCoupon: _announcement,
    HearProfile: _person,
    PutProfile: _profile,
    HearStanding: _standing,
    HearMerge: _merge,
    EraseCustomer: _erasure,
    KeepSegment: _segment,
    DropSegment: _segment,
    HearConsent: _consents,
    ConfirmConsent: _consents,
    ChooseConsents: _consents,
    HearReport: _address,
    LiftAddress: _address,
    Say: _saying,
    BookDelivery: _dispatch,
    HearDelivery: _dispatch,
    RetryNotification: _dispatch,
}
"""What each command needs."""

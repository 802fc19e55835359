"""What a batch of commands needs of the books: noted before anything is asked of the database."""

from collections.abc import Iterable
from uuid import UUID

from services.notifications.books import RefundKey
from services.notifications.commands import (
    AnnounceCoupon,
    BookDelivery,
    Command,
    CountPoints,
    CreateShared,
    DropMessage,
    HearDelivery,
    IssueCoupon,
    PlanMessage,
    RedeemCoupon,
    ReleaseCoupon,
    ReserveCoupon,
    RetryNotification,
    Say,
    TakeBack,
    UseCoupons,
    VoidCoupon,
)
from services.notifications.records import MessageKey, SaleKey


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
        self.notifications: set[UUID] = set()
        self.heard_by: set[str] = set()
        """Customers of whom has to be known how they may be reached."""
        self.dispatches: set[UUID] = set()
        self.messages: set[MessageKey] = set()
        self.digests: set[str] = set()
        for command in commands:
            self._add(command)

    def _add(self, command: Command) -> None:
        match command:
            case IssueCoupon() | VoidCoupon():
                self.coupons.add(command.coupon_id)
                self.customers.add(command.customer_id)
                if command.code is not None:
                    self.codes.add(command.code)
                    self.new_codes.add(command.code)
            case CreateShared(code=code):
                self.codes.add(code)
                self.new_codes.add(code)
            case UseCoupons(shop_id=shop_id, invoice_number=invoice_number):
                self.sales.add((shop_id, invoice_number))
                self.codes.update(command.codes)
                self._add_customer(command.customer_id)
            case TakeBack(shop_id=shop_id, invoice_number=invoice_number, refund_id=refund_id):
                self.sales.add((shop_id, invoice_number))
                self.refunds.add((shop_id, invoice_number, refund_id))
            case Say() | BookDelivery() | RetryNotification() | HearDelivery():
                self._add_said(command)
            case ReserveCoupon() | RedeemCoupon() | ReleaseCoupon():
                self.codes.add(command.code)
                self._add_till(command)
            case PlanMessage() | DropMessage() | CountPoints() | AnnounceCoupon():
                self._add_news(command)
            case _:
                self.codes.add(command.code)

    def _add_till(self, command: ReserveCoupon | RedeemCoupon | ReleaseCoupon) -> None:
        if command.reservation is not None:
            self.reservations.add(command.reservation)
        if isinstance(command, RedeemCoupon):
            self.sales.add((command.shop_id, command.invoice_number))
        if not isinstance(command, ReleaseCoupon) and command.basket is not None:
            self._add_customer(command.basket.customer_id)

    def _add_customer(self, customer_id: str | None) -> None:
        if customer_id is not None:
            self.customers.add(customer_id)

    def _add_news(self, command: PlanMessage | DropMessage | CountPoints | AnnounceCoupon) -> None:
        match command:
            case CountPoints(customer_id=customer_id):
                self.customers.add(customer_id)
                self.digests.add(customer_id)
            case AnnounceCoupon(coupon_id=coupon_id):
                self.coupons.add(coupon_id)
            case _:
                self._add_message(command)

    def _add_message(self, command: PlanMessage | DropMessage) -> None:
        self.customers.add(command.customer_id)
        self.messages.add((command.customer_id, command.subject, command.reference))
        if isinstance(command, PlanMessage) and command.coupon_id is not None:
            self.coupons.add(command.coupon_id)

    def _add_said(self, command: Say | BookDelivery | RetryNotification | HearDelivery) -> None:
        self.customers.add(command.customer_id)
        self.notifications.add(command.notification_id)
        self.dispatches.add(command.notification_id)
        if isinstance(command, Say):
            self.heard_by.add(command.customer_id)
            self.coupons.add(str(command.notification_id))
            if command.code is not None:
                self.codes.add(command.code)

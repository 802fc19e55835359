"""What a batch of commands needs of the books: noted before anything is asked of the database."""

from collections.abc import Iterable
from uuid import UUID

from services.notifications.books import RefundKey
from services.notifications.commands import (
    BookDelivery,
    Command,
    HearDelivery,
    IssueCoupon,
    RetryNotification,
    Say,
    TakeBack,
    UseCoupons,
    VoidCoupon,
)
from services.notifications.records import SaleKey


class Wanted:
    """What a batch of commands needs to have loaded."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self.coupons: set[str] = set()
        self.codes: set[str] = set()
        self.sales: set[SaleKey] = set()
        self.refunds: set[RefundKey] = set()
        self.customers: set[str] = set()
        self.notifications: set[UUID] = set()
        self.heard_by: set[str] = set()
        """Customers of whom has to be known how they may be reached."""
        self.dispatches: set[UUID] = set()
        for command in commands:
            self._add(command)

    def _add(self, command: Command) -> None:
        match command:
            case IssueCoupon() | VoidCoupon():
                self.coupons.add(command.coupon_id)
                self.customers.add(command.customer_id)
                if command.code is not None:
                    self.codes.add(command.code)
            case UseCoupons(shop_id=shop_id, invoice_number=invoice_number):
                self.sales.add((shop_id, invoice_number))
                self.codes.update(command.codes)
            case TakeBack(shop_id=shop_id, invoice_number=invoice_number, refund_id=refund_id):
                self.sales.add((shop_id, invoice_number))
                self.refunds.add((shop_id, invoice_number, refund_id))
            case Say():
                self._add_saying(command)
            case BookDelivery() | HearDelivery() | RetryNotification():
                self.customers.add(command.customer_id)
                self.notifications.add(command.notification_id)
                self.dispatches.add(command.notification_id)
            case _:
                self.codes.add(command.code)

    def _add_saying(self, command: Say) -> None:
        self.customers.add(command.customer_id)
        self.heard_by.add(command.customer_id)
        self.notifications.add(command.notification_id)
        self.dispatches.add(command.notification_id)
        self.coupons.add(str(command.notification_id))
        if command.code is not None:
            self.codes.add(command.code)

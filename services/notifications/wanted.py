"""What a batch of commands needs of the books: noted before anything is asked of the database."""

from collections.abc import Iterable
from uuid import UUID

from services.notifications.books import RefundKey
from services.notifications.commands import (
    AnnounceCoupon,
    Command,
    CountPoints,
    DropMessage,
    IssueCoupon,
    PlanMessage,
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
        self.sales: set[SaleKey] = set()
        self.refunds: set[RefundKey] = set()
        self.customers: set[str] = set()
        self.notifications: set[UUID] = set()
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
            case UseCoupons(shop_id=shop_id, invoice_number=invoice_number):
                self.sales.add((shop_id, invoice_number))
                self.codes.update(command.codes)
            case TakeBack(shop_id=shop_id, invoice_number=invoice_number, refund_id=refund_id):
                self.sales.add((shop_id, invoice_number))
                self.refunds.add((shop_id, invoice_number, refund_id))
            case PlanMessage() | DropMessage():
                self._add_message(command)
            case CountPoints(customer_id=customer_id):
                self.customers.add(customer_id)
                self.digests.add(customer_id)
            case AnnounceCoupon(coupon_id=coupon_id):
                self.coupons.add(coupon_id)
            case _:
                self.codes.add(command.code)

    def _add_message(self, command: PlanMessage | DropMessage) -> None:
        self.customers.add(command.customer_id)
        self.messages.add((command.customer_id, command.subject, command.reference))
        if isinstance(command, PlanMessage) and command.coupon_id is not None:
            self.coupons.add(command.coupon_id)

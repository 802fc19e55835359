"""What a batch of commands needs of the books: noted before anything is asked of the database."""

from collections.abc import Iterable
from uuid import UUID

from services.notifications.books import RefundKey
from services.notifications.commands import (
    Command,
    DropSegment,
    HearMerge,
    HearProfile,
    HearStanding,
    IssueCoupon,
    KeepSegment,
    PutProfile,
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
        self.merging: set[str] = set()
        """Customers who become one."""
        self.dated: set[str] = set()
        """Customers whose own dates may change."""
        self.segments: set[str] = set()
        self.cards: set[str] = set()
        self.new_cards: set[str] = set()
        """Cards that are heard of, for which purchases may wait."""
        self.notifications: set[UUID] = set()
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
                if command.customer_id is not None:
                    self.customers.add(command.customer_id)
                elif command.card_number is not None:
                    self.cards.add(command.card_number)
            case TakeBack(shop_id=shop_id, invoice_number=invoice_number, refund_id=refund_id):
                self.sales.add((shop_id, invoice_number))
                self.refunds.add((shop_id, invoice_number, refund_id))
            case HearStanding() | HearMerge() | HearProfile() | PutProfile():
                self._add_customer(command)
            case KeepSegment(name=name) | DropSegment(name=name):
                self.segments.add(name)
            case _:
                self.codes.add(command.code)

    def _add_customer(self, command: HearStanding | HearMerge | HearProfile | PutProfile) -> None:
        self.customers.add(command.customer_id)
        match command:
            case HearStanding(card_number=str(card_number)):
                self.new_cards.add(card_number)
            case HearMerge(customer_id=customer_id, into=into):
                self.customers.add(into)
                self.merging |= {customer_id, into}
            case PutProfile(customer_id=customer_id):
                self.dated.add(customer_id)

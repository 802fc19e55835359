"""What a batch of commands needs of the books: noted before anything is asked of the database."""

from collections.abc import Iterable
from uuid import UUID

from services.notifications.books import RefundKey
from services.notifications.commands import (
    ChooseConsents,
    Command,
    ConfirmConsent,
    HearConsent,
    HearReport,
    IssueCoupon,
    LiftAddress,
    TakeBack,
    UseCoupons,
    VoidCoupon,
)
from services.notifications.records import AddressKey, SaleKey, question_id
from services.notifications.rules.consent import spelled


class Wanted:
    """What a batch of commands needs to have loaded."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self.coupons: set[str] = set()
        self.codes: set[str] = set()
        self.sales: set[SaleKey] = set()
        self.refunds: set[RefundKey] = set()
        self.customers: set[str] = set()
        self.notifications: set[UUID] = set()
        self.consents: set[str] = set()
        self.addresses: set[AddressKey] = set()
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
            case HearConsent() | ConfirmConsent() | ChooseConsents():
                self._add_consents(command)
            case HearReport(channel=channel, address=address) | LiftAddress(channel=channel, address=address):
                self.addresses.add((channel, spelled(channel, address)))
            case _:
                self.codes.add(command.code)

    def _add_consents(self, command: HearConsent | ConfirmConsent | ChooseConsents) -> None:
        self.customers.add(command.customer_id)
        self.consents.add(command.customer_id)
        said = command.choices if isinstance(command, ChooseConsents) else (command,)
        for each in said:
            if isinstance(each, HearConsent) and each.is_given and each.at is not None:
                self.notifications.add(question_id(each.customer_id, each.channel, each.purpose, each.at))

"""A model of the books that goes day by day and looks everything up: slow, and sharing no rule with the service."""

import datetime as dt
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")
DAY = dt.timedelta(days=1)
CLAIM_DAYS = 30

WINE_TIMES, WINE_FROM = 3, 2_000
BONUS, BONUS_FROM, BONUS_PER_CUSTOMER, BONUS_BUDGET = 7, 3_000, 12, 20
REWARD_POINTS, REWARD_STOCK, REWARDS_EACH = 25, 5, 2
HALF = Fraction(1, 2)
TIERS = ("Basic", 0, 1), ("Silver", 100, 1), ("Gold", 300, 2)
"""Name, threshold, multiplier. Money is in cents everywhere."""


@dataclass(frozen=True)
class Rules:
    """What differs between the programmes that are tried."""

    pending_days: int
    expiry: str
    months: int
    window: str
    downgrade: str
    unmet_clawback: str

    @property
    def granted_points_count(self) -> bool:
        return self.downgrade == "one_level"

    def document(self, name: str) -> dict[str, Any]:
        """The programme; its campaigns are named anew, so that their budgets are whole."""
        bonus = {"name": f"bonus-{name}", "points": BONUS, "minimum": "30"}
        bonus |= {"per_customer": {"points": BONUS_PER_CUSTOMER}, "budget": {"points": BONUS_BUDGET}}
        return {
            "time_zone": "Europe/Berlin",
            "pending_days": self.pending_days,
            "expiry": {"model": self.expiry, "months": self.months, "announce_days": 5},
            "tiers": {
                "window": self.window,
                "downgrade": self.downgrade,
                "granted_points_count": self.granted_points_count,
                "levels": [
                    {"name": level, "threshold": threshold, "multiplier": str(times)}
                    for level, threshold, times in TIERS
                ],
            },
            "rules": [{"name": "wine", "categories": ["wine"], "multiplier": str(WINE_TIMES), "minimum": "20"}],
            "campaigns": [bonus, {"name": f"half-{name}", "factor": "0.5", "first_purchase": True}],
            "unmet_clawback": self.unmet_clawback,
            "pay_with_points": {"points_per_unit": {"EUR": "100"}},
        }


@dataclass(eq=False)
class Lot:
    left: int
    available_on: dt.date
    last_day: dt.date | None = None
    lapses: bool = False
    pending: bool = False
    expired: int = 0
    graced: bool = False


@dataclass(eq=False)
class Part:
    """What a redemption has of a lot; one that a merge has moved is given back as a lot of its own."""

    lot: Lot
    held: int = 0
    captured: int = 0
    moved: bool = False


@dataclass(eq=False)
class Redemption:
    customer: "Customer"
    points: int
    until: dt.datetime | None = None
    parts: list[Part] = field(default_factory=list)
    timed_out: bool = False
    captured: int = 0
    restored: int = 0
    bill: "Bill | None" = None
    is_claim: bool = False

    @property
    def held(self) -> int:
        return sum(part.held for part in self.parts)

    @property
    def left(self) -> int:
        return self.captured - self.restored


@dataclass(eq=False)
class Customer:
    seen_on: dt.date
    name: str = ""
    pool: str | None = None
    status: str = "active"
    lots: list[Lot] = field(default_factory=list)
    debt: int = 0
    level: int = 0
    review_on: dt.date | None = None
    counts: dict[dt.date, int] = field(default_factory=dict)
    purchases: int = 0
    bonus: int = 0
    inactive_on: dt.date | None = None

    @property
    def available(self) -> int:
        return sum(lot.left for lot in self.lots if not lot.pending) - self.debt

    @property
    def pending(self) -> int:
        return sum(lot.left for lot in self.lots if lot.pending)

    def last_day(self, lot: Lot) -> dt.date | None:
        return self.inactive_on if lot.lapses else lot.last_day


@dataclass(eq=False)
class Bill:
    total: int | None = None
    wine: int = 0
    occurred_at: dt.datetime | None = None
    customer: Customer | None = None
    refunds: dict[str, int] = field(default_factory=dict)
    times: int = 0
    is_first: bool = False
    room: int = 0
    points: int = 0
    clawed: int = 0
    clawed_expired: int = 0
    lot: Lot | None = None
    named: str | None = None
    redeemed: int = 0
    given_back: int = 0
    settled: int = 0
    returned: Fraction = Fraction(0)
    paid_by: list["Redemption"] = field(default_factory=list)


@dataclass(eq=False)
class Grant:
    named: str
    customer: Customer | None = None
    points: int = 0
    day: dt.date = dt.date.min
    lot: Lot | None = None
    revoked: bool = False


def months_later(day: dt.date, months: int) -> dt.date:
    years, month = divmod(day.month - 1 + months, 12)
    last = day.day
    while True:
        try:
            return dt.date(day.year + years, month + 1, last)
        except ValueError:
            last -= 1


class Model:
    """What the rules say of a history, told in the words of the rules."""

    def __init__(self, rules: Rules, now: dt.datetime) -> None:
        self.rules = rules
        self.now = now
        self.customers: dict[str, Customer] = {}
        self.aliases: set[str] = set()
        self.bills: dict[str, Bill] = {}
        self.redemptions: dict[str, Redemption] = {}
        self.grants: dict[str, Grant] = {}
        self.bonus = 0

    @property
    def today(self) -> dt.date:
        return self.now.astimezone(BERLIN).date()

    def seen(self) -> dict[str, tuple[int, int, int, str, list[str]]]:
        """What is compared with the books: the balance, the tier, and the open lots with their last days."""
        seen = {}
        for name, each in self.customers.items():
            if name not in self.aliases:
                held = sum(redemption.held for redemption in self.redemptions.values() if redemption.customer is each)
                lots = sorted(f"{lot.left} until {lot.last_day or 'ever'}" for lot in each.lots if lot.left)
                seen[name] = each.available, each.pending, held, TIERS[each.level][0], lots
        return seen

    # Time

    def pass_time(self, time: dt.timedelta) -> None:
        until = self.now + time
        while (nearest := self._nearest(until)) is not None:
            self.now = nearest
            for redemption in self.redemptions.values():
                if redemption.held and redemption.until == nearest:
                    redemption.timed_out = not redemption.captured
                    self._free(redemption)
            self._wake()
        self.now = until
        self._wake()

    def _nearest(self, until: dt.datetime) -> dt.datetime | None:
        """When the next hold times out."""
        times = [each.until for each in self.redemptions.values() if each.held and each.until is not None]
        return min((each for each in times if each <= until), default=None)

    def _wake(self) -> None:
        for customer in self.customers.values():
            while customer.seen_on < self.today:
                customer.seen_on += DAY
                self._begin(customer, customer.seen_on)

    def _begin(self, customer: Customer, day: dt.date) -> None:
        for lot in customer.lots:
            if lot.pending and lot.available_on <= day:
                lot.pending = False
                self._repay(customer, lot)
        for lot in customer.lots:
            self._expire(customer, lot, day)
        if customer.review_on == day:
            self._review(customer, day)

    def _expire(self, customer: Customer, lot: Lot, day: dt.date) -> None:
        last_day = customer.last_day(lot)
        if not lot.pending and last_day is not None and last_day < day:
            lot.expired, lot.left = lot.expired + lot.left, 0

    # Tiers

    def _count(self, customer: Customer, day: dt.date) -> int:
        if self.rules.window == "calendar_year":
            return sum(points for on, points in customer.counts.items() if on.year == day.year)
        return sum(points for on, points in customer.counts.items() if months_later(day, -12) < on <= day)

    @staticmethod
    def _earned(count: int) -> int:
        return max(level for level, (_, threshold, _) in enumerate(TIERS) if count >= threshold or level == 0)

    def _raise(self, customer: Customer, level: int) -> None:
        if level <= customer.level:
            return
        customer.level = level
        is_calendar = self.rules.window == "calendar_year"
        customer.review_on = dt.date(self.today.year + 1, 1, 1) if is_calendar else months_later(self.today, 12)

    def _review(self, customer: Customer, day: dt.date) -> None:
        earned = self._earned(self._count(customer, day))
        if self.rules.window == "calendar_year":
            earned = max(earned, self._earned(self._count(customer, dt.date(day.year - 1, 12, 31))))
        lowest = {"none": customer.level, "one_level": customer.level - 1, "to_earned": 0}[self.rules.downgrade]
        customer.level = max(earned, lowest, 0)
        customer.review_on = months_later(day, 12) if customer.level else None

    # Points

    @staticmethod
    def _repay(customer: Customer, lot: Lot) -> None:
        part = min(customer.debt, lot.left)
        lot.left -= part
        customer.debt -= part

    def _add(self, customer: Customer, lot: Lot) -> None:
        if not lot.pending:
            self._repay(customer, lot)
        customer.lots.append(lot)

    @staticmethod
    def _take(customer: Customer, points: int, own: Lot | None = None) -> None:
        by_end = Model._by_end(customer)
        for lot in [own, *by_end] if own in customer.lots else by_end:
            assert lot is not None
            part = min(lot.left, points)
            lot.left -= part
            points -= part
        customer.debt += points

    # What is said to it

    def enrol(self, who: str) -> Customer:
        return self.customers.setdefault(who, Customer(self.today, who))

    def buy(
        self, invoice: str, total: int, wine: int, who: str | None, occurred_at: dt.datetime, named: str | None = None
    ) -> None:
        bill = self.bills.setdefault(invoice, Bill())
        if bill.total is None:
            bill.total, bill.wine, bill.occurred_at, bill.named = total, wine, occurred_at, named
            waiting, bill.refunds = bill.refunds, {}
            if who is not None:
                self._award(bill, self.enrol(who))
            for name, amount in waiting.items():
                self.refund(invoice, name, amount)
        elif bill.total == total and bill.customer is None and who is not None and self._is_claimable(bill):
            self._attach(bill, self.enrol(who))

    def claim(self, invoice: str, who: str) -> None:
        bill = self.bills.get(invoice)
        is_nobodys = bill is not None and bill.total is not None and bill.customer is None
        if bill and is_nobodys and who in self.customers and self._is_claimable(bill):
            self._attach(bill, self.customers[who])

    def _is_claimable(self, bill: Bill) -> bool:
        assert bill.occurred_at is not None
        return self.now - bill.occurred_at <= CLAIM_DAYS * DAY

    def _attach(self, bill: Bill, customer: Customer) -> None:
        self._award(bill, customer)
        self._give_back_paid(bill, sum(bill.refunds.values()))
        refunded = 0
        for amount in bill.refunds.values():
            refunded += amount
            self._claw_back(bill, refunded)

    def _award(self, bill: Bill, customer: Customer) -> None:
        assert bill.occurred_at is not None
        day = bill.occurred_at.astimezone(BERLIN).date()
        bill.customer = customer
        self._pay(bill, customer)
        customer.purchases += 1
        if self.rules.expiry == "inactivity":
            customer.inactive_on = max(customer.inactive_on or dt.date.min, months_later(day, self.rules.months))
        if customer.status != "active":
            return
        bill.times, bill.is_first = TIERS[customer.level][2], customer.purchases == 1
        bill.room = max(0, min(BONUS_PER_CUSTOMER - customer.bonus, BONUS_BUDGET - self.bonus))
        bonus = self._bonus(bill, bill.total or 0)
        customer.bonus += bonus
        self.bonus += bonus
        bill.points = self._deserved(bill, bill.total or 0)
        if bill.points:
            bill.lot = self._lot(bill.points, day, pending_days=self.rules.pending_days)
            self._add(customer, bill.lot)
            self._expire(customer, bill.lot, self.today)
        customer.counts[day] = customer.counts.get(day, 0) + bill.points
        self._raise(customer, self._earned(self._count(customer, self.today)))

    def _lot(self, points: int, day: dt.date, *, pending_days: int) -> Lot:
        available_on = day + DAY * (pending_days + 1) if pending_days else day
        last_day = months_later(day, self.rules.months) if self.rules.expiry == "after_earning" else None
        lapses = self.rules.expiry == "inactivity"
        return Lot(points, available_on, last_day, lapses, pending=available_on > self.today)

    @staticmethod
    def _bonus(bill: Bill, kept: Fraction | int) -> int:
        return min(BONUS, bill.room) if kept >= BONUS_FROM else 0

    def _deserved(self, bill: Bill, kept: Fraction | int) -> int:
        if not kept or not bill.total or not bill.times:
            return 0
        kept = Fraction(kept)
        wine_times = WINE_TIMES if kept * Fraction(bill.wine, bill.total) >= WINE_FROM else 1
        weighed = Fraction(bill.wine * wine_times + bill.total - bill.wine, bill.total)
        half = floor(kept / 100 * HALF) if bill.is_first else 0
        return floor(kept / 100 * bill.times * weighed) + half + self._bonus(bill, kept)

    def refund(self, invoice: str, name: str, amount: int) -> None:
        bill = self.bills.setdefault(invoice, Bill())
        refunded = sum(bill.refunds.values()) + amount
        if name in bill.refunds or (bill.total is not None and refunded > bill.total):
            return
        bill.refunds[name] = amount
        self._return(bill, refunded, amount)
        if bill.customer is not None:
            self._give_back_paid(bill, refunded)
            self._claw_back(bill, refunded)

    @staticmethod
    def _return(bill: Bill, refunded: int, amount: int) -> None:
        """What of a refund goes back in points, to a hundredth of a cent."""
        if bill.total and bill.settled:
            share = Fraction(floor(Fraction(bill.settled * min(refunded, bill.total) * 100, bill.total)), 100)
            share = Fraction(bill.settled) if refunded >= bill.total else share
            bill.returned += min(max(share - bill.returned, Fraction(0)), Fraction(amount))

    def _claw_back(self, bill: Bill, refunded: int) -> None:
        assert bill.occurred_at is not None
        total = bill.total or 0
        taken_back = max(refunded - bill.returned + bill.settled, Fraction(refunded))
        points = bill.points - self._deserved(bill, max(total - taken_back, Fraction(0))) - bill.clawed
        customer, lot = bill.customer, bill.lot
        if not points or customer is None or lot is None:
            return
        bill.clawed += points
        customer.counts[bill.occurred_at.astimezone(BERLIN).date()] -= points
        gone = min(max(0, points - lot.left), lot.expired - bill.clawed_expired)
        bill.clawed_expired += gone
        debt = customer.debt
        self._take(customer, points - gone, lot)
        if self.rules.unmet_clawback == "write_off":
            customer.debt = debt

    def adjust(self, who: str, points: int, *, correction: bool) -> None:
        customer = self.customers.get(who)
        if customer is None or customer.status == "closed":
            return
        if points > 0:
            self._live_on(customer)
            self._add(customer, self._lot(points, self.today, pending_days=0))
        elif correction or customer.available >= -points:
            self._take(customer, -points)

    def change_status(self, who: str, status: str) -> None:
        if who in self.customers:
            self.customers[who].status = status

    def merge(self, who: str, into: str) -> None:
        source, target = self.customers.get(who), self.customers.get(into)
        if source is None or target is None or source is target or target.status == "closed" or who in self.aliases:
            return
        if any(each.held for each in self.redemptions.values() if each.customer is source):
            return
        self._move_redemptions(source, target)
        source.pool = None
        if source.inactive_on is not None:
            target.inactive_on = max(target.inactive_on or dt.date.min, source.inactive_on)
        self._take(target, source.debt)
        for lot in source.lots:
            self._add(target, lot)
        for day, points in source.counts.items():
            target.counts[day] = target.counts.get(day, 0) + points
        target.purchases += source.purchases
        target.bonus += source.bonus
        self._raise(target, max(source.level, self._earned(self._count(target, self.today))))
        self.customers = {name: target if each is source else each for name, each in self.customers.items()}
        for bill in self.bills.values():
            if bill.customer is source:
                bill.customer = target
        for grant in self.grants.values():
            if grant.customer is source:
                grant.customer = target
        self.aliases.add(who)

    def _move_redemptions(self, source: Customer, target: Customer) -> None:
        for redemption in self.redemptions.values():
            if redemption.customer is source:
                redemption.customer = target
                for part in redemption.parts:
                    part.moved = True

    # Spending

    def redeem(self, name: str, who: str, points: int, hours: int | None) -> None:
        customer = self.customers.get(who)
        if customer is None or customer.status != "active" or self._reach(customer) < points:
            return
        self._gather(customer, points)
        until = None if hours is None else self.now + dt.timedelta(hours=hours, minutes=30)
        redemption = self.redemptions[name] = Redemption(customer, points, until)
        self._spend(redemption, points, holding=hours is not None)

    def _spend(self, redemption: Redemption, points: int, *, holding: bool) -> None:
        for lot in self._by_end(redemption.customer):
            part = min(lot.left, points)
            if part:
                lot.left -= part
                points -= part
                redemption.parts.append(Part(lot, part if holding else 0, 0 if holding else part))
        if not holding:
            redemption.captured = sum(part.captured for part in redemption.parts)

    @staticmethod
    def _by_end(customer: Customer) -> list[Lot]:
        return sorted((lot for lot in customer.lots if not lot.pending), key=lambda lot: lot.last_day or dt.date.max)

    @staticmethod
    def _in_order(redemption: Redemption) -> list[Part]:
        lots = redemption.customer.lots
        place = {id(lot): number for number, lot in enumerate(lots)}
        return sorted(
            redemption.parts, key=lambda part: (part.lot.last_day or dt.date.max, place.get(id(part.lot), -1))
        )

    def capture(self, name: str, points: int | None, *, final: bool) -> None:
        redemption = self.redemptions.get(name)
        if redemption is None or not redemption.held or (points is not None and points > redemption.held):
            return
        self._capture(redemption, redemption.held if points is None else points)
        if final:
            self._free(redemption)

    def _capture(self, redemption: Redemption, points: int) -> None:
        redemption.captured += points
        for part in self._in_order(redemption):
            spent = min(part.held, points)
            part.held -= spent
            part.captured += spent
            points -= spent

    def release(self, name: str) -> None:
        redemption = self.redemptions.get(name)
        if redemption is not None:
            self._free(redemption)

    def _free(self, redemption: Redemption) -> None:
        freed = [part for part in self._in_order(redemption) if part.held]
        for part in freed:
            part.lot.left += part.held
            part.held = 0
            self._repay(redemption.customer, part.lot)
        for part in freed:
            self._expire(redemption.customer, part.lot, self.today)

    def reverse(self, name: str, points: int | None) -> None:
        redemption = self.redemptions.get(name)
        if redemption is None or redemption.bill is not None or redemption.is_claim:
            return
        points = redemption.left if points is None else points
        if points and points <= redemption.left:
            self._restore(redemption, points)

    def _restore(self, redemption: Redemption, points: int) -> None:
        customer = redemption.customer
        redemption.restored += points
        parts: list[tuple[Part, int]] = []
        for part in reversed(self._in_order(redemption)):
            back = min(part.captured, points)
            part.captured -= back
            points -= back
            if back:
                parts.append((part, back))
        anew = [each for each in parts if not self._takes_back(customer, each[0])]
        for part, back in anew:
            customer_lot = Lot(back, self.today, part.lot.last_day, part.lot.lapses, graced=part.lot.graced)
            if self._has_ended(customer, part.lot) and not part.lot.graced:
                customer_lot = Lot(back, self.today, self.today + 30 * DAY, graced=True)
            self._add(customer, customer_lot)
            self._expire(customer, customer_lot, self.today)
        same = [each for each in parts if each not in anew]
        for part, back in same:
            part.lot.left += back
            self._repay(customer, part.lot)
        for part, _ in same:
            self._expire(customer, part.lot, self.today)

    def _takes_back(self, customer: Customer, part: Part) -> bool:
        return not part.moved and (part.lot.graced or not self._has_ended(customer, part.lot))

    def _has_ended(self, customer: Customer, lot: Lot) -> bool:
        last_day = customer.last_day(lot)
        return last_day is not None and last_day < self.today

    def _pay(self, bill: Bill, customer: Customer) -> None:
        redemption = self.redemptions.get(bill.named or "")
        if redemption is None or redemption.bill is not None or redemption.customer is not customer:
            return
        if redemption.is_claim:
            return
        if redemption.held:
            self._capture(redemption, redemption.held)
        elif redemption.timed_out and not redemption.captured and redemption.points <= customer.available:
            self._spend(redemption, redemption.points, holding=False)
        if redemption.left:
            redemption.bill = bill
            bill.paid_by.append(redemption)
        bill.redeemed = redemption.left

    def _give_back_paid(self, bill: Bill, refunded: int) -> None:
        if not bill.redeemed or not bill.total:
            return
        share = bill.returned / bill.settled if bill.settled else Fraction(refunded, bill.total)
        back = floor(bill.redeemed * min(share, Fraction(1))) - bill.given_back
        bill.given_back += max(back, 0)
        for redemption in bill.paid_by:
            points = min(back, redemption.left)
            if points > 0:
                self._restore(redemption, points)
                back -= points

    def settle(self, name: str, invoice: str, points: int) -> None:
        """A point is worth a cent."""
        bill = self.bills.get(invoice)
        if bill is None or bill.customer is None or not bill.total or bill.customer.status != "active":
            return
        customer, own = bill.customer, bill.lot
        earned = own.left if own is not None and own in customer.lots and not own.pending else 0
        left = bill.total - sum(bill.refunds.values()) - (bill.settled - bill.returned)
        if points > left or points > bill.total - bill.settled or customer.available - earned < points:
            return
        redemption = self.redemptions[name] = Redemption(customer, points, bill=bill)
        if own is not None:
            own.left -= earned
        self._spend(redemption, points, holding=False)
        if own is not None:
            own.left += earned
        bill.paid_by.append(redemption)
        bill.redeemed += points
        bill.settled += points
        self._claw_back(bill, sum(bill.refunds.values()))

    def claim_reward(self, name: str, who: str) -> None:
        customer = self.customers.get(who)
        claims = [each for each in self.redemptions.values() if each.is_claim and each.left]
        if customer is None or customer.status != "active" or len(claims) >= REWARD_STOCK:
            return
        if sum(each.customer is customer for each in claims) >= REWARDS_EACH or self._reach(customer) < REWARD_POINTS:
            return
        self._gather(customer, REWARD_POINTS)
        redemption = self.redemptions[name] = Redemption(customer, REWARD_POINTS, is_claim=True)
        self._spend(redemption, REWARD_POINTS, holding=False)

    def cancel_claim(self, name: str) -> None:
        redemption = self.redemptions.get(name)
        if redemption is not None and redemption.left:
            self._restore(redemption, redemption.left)

    # What other services owe

    def grant(self, name: str, who: str, points: int, last_day: dt.date | None) -> None:
        if name in self.grants or (who in self.customers and self.customers[who].status == "closed"):
            return
        customer = self.enrol(who)
        self._live_on(customer)
        lot = self._lot(points, self.today, pending_days=0)
        if last_day is not None:
            lot.last_day, lot.lapses = last_day, False
        self.grants[name] = Grant(who, customer, points, self.today, lot)
        self._add(customer, lot)
        if self.rules.granted_points_count:
            customer.counts[self.today] = customer.counts.get(self.today, 0) + points
            self._raise(customer, self._earned(self._count(customer, self.today)))
        self._expire(customer, lot, self.today)

    def revoke(self, name: str, who: str) -> None:
        grant = self.grants.setdefault(name, Grant(who, revoked=True))
        customer, lot = grant.customer, grant.lot
        if grant.revoked or customer is None or lot is None or self.customers.get(who) is not customer:
            return
        grant.revoked = True
        if self.rules.granted_points_count:
            customer.counts[grant.day] -= grant.points
        debt = customer.debt
        self._take(customer, grant.points - min(max(0, grant.points - lot.left), lot.expired), lot)
        if self.rules.unmet_clawback == "write_off":
            customer.debt = debt

    def _live_on(self, customer: Customer) -> None:
        if self.rules.expiry == "inactivity" and (customer.inactive_on or dt.date.min) < self.today:
            customer.inactive_on = months_later(self.today, self.rules.months)

    # Sharing

    def _move(self, source: Customer, target: Customer, parts: list[tuple[Lot, int]]) -> None:
        for lot, part in parts:
            lot.left -= part
            last_day = source.last_day(lot)
            lapses = lot.lapses and last_day is None
            self._add(target, Lot(part, self.today, last_day, lapses, graced=lot.graced))

    def give(self, who: str, to: str, points: int) -> None:
        giver, recipient = self.customers.get(who), self.customers.get(to)
        if giver is None or recipient is None or giver is recipient or giver.available < points:
            return
        if giver.status != "active" or recipient.status != "active":
            return
        parts = []
        for lot in self._by_end(giver):
            part = min(lot.left, points)
            points -= part
            if part:
                parts.append((lot, part))
        self._move(giver, recipient, parts)

    def join(self, pool: str, who: str) -> None:
        customer = self.customers.get(who)
        if customer is not None and customer.pool is None:
            customer.pool = pool

    def leave(self, pool: str, who: str) -> None:
        customer = self.customers.get(who)
        if customer is not None and customer.pool == pool:
            customer.pool = None

    def _purses(self, customer: Customer) -> list[Customer]:
        if customer.pool is None:
            return [customer]
        others = {each.name: each for each in self.customers.values() if each.pool == customer.pool}
        others.pop(customer.name, None)
        usable = [others[name] for name in sorted(others) if others[name].status == "active"]
        return [customer, *(each for each in usable if each.available > 0)]

    def _reach(self, customer: Customer) -> int:
        if customer.available < 0:
            return customer.available
        return sum(each.available for each in self._purses(customer))

    def _gather(self, customer: Customer, points: int) -> None:
        purses = self._purses(customer)
        if len(purses) == 1:
            return
        lots = [(place, lot) for place, each in enumerate(purses) for lot in self._by_end(each)]
        taken: dict[int, list[tuple[Lot, int]]] = {}
        for place, lot in sorted(lots, key=lambda each: (each[1].last_day or dt.date.max, each[0])):
            part = min(lot.left, points)
            points -= part
            if part:
                taken.setdefault(place, []).append((lot, part))
        for place, parts in sorted(taken.items()):
            if place:
                self._move(purses[place], customer, parts)

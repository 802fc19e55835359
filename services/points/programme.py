"""The programme: the shop's rules as one document, validated as a whole; versions decide by the purchase's own time."""

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from shared import documents
from shared.contracts.values import Currency, Flag, Identifier, Instant, Money, Whole
from shared.documents import Days, Document, EarlyAccess, Fault, Months, Name, Points, Rate, TimeZone

RESERVED = frozenset({"base", "other lines", "account blocked", "account closed"})
"""Names of lines in a breakdown that no rule of a shop may take."""

SHORTEST_MONTH_DAYS = 28


def _some_of_all(share: Decimal) -> Decimal:
    if not 0 < share < 1:
        message = "a share lies between 0 and 1"
        raise ValueError(message)
    return share


Share = Annotated[
    Money,
    AfterValidator(_some_of_all),
    WithJsonSchema({"type": "string", "pattern": r"^(?=.*[1-9])0{1,14}\.[0-9]{1,4}$", "examples": ["0.05"]}),
]
Benefit = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]
LocalTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class EarnBase(Document):
    """Which parts of a purchase's total earn points."""

    tax: Flag = True
    shipping: Flag = False
    gift_cards: Flag = False
    points_paid: Flag = False
    discount: Flag = Field(default=False, description="true: points are earned on the price before discounts")


class Hours(Document):
    """From one local time up to, not including, another; past midnight where `until` is the earlier one."""

    from_: LocalTime = Field(alias="from")
    until: LocalTime

    def holds(self, time: str) -> bool:
        """Tell whether a local time, `HH:MM`, lies within."""
        if self.from_ <= self.until:
            return self.from_ <= time < self.until
        return time >= self.from_ or time < self.until


class Conditions(Document):
    """What a purchase must be for a rule to count; what is not said is no condition.

    `categories` and `skus` choose lines; the rest, and the window of validity (half-open), judge the whole purchase.
    `minimum` is what the chosen lines must come to, discounts of the whole order spread over them.
    """

    name: Name
    categories: Annotated[list[Identifier], Field(max_length=500)] = []
    skus: Annotated[list[Identifier], Field(max_length=2_000)] = []
    channels: Annotated[list[Identifier], Field(max_length=50)] = []
    shops: Annotated[list[Identifier], Field(max_length=500)] = []
    tiers: Annotated[list[Name], Field(max_length=20)] = []
    weekdays: Annotated[list[Weekday], Field(max_length=7)] = []
    hours: Hours | None = None
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    early_access: EarlyAccess | None = None
    minimum: Money = Decimal(0)

    @cached_property
    def chosen_categories(self) -> frozenset[str]:
        return frozenset(self.categories)

    @cached_property
    def chosen_skus(self) -> frozenset[str]:
        return frozenset(self.skus)

    @property
    def chooses_lines(self) -> bool:
        return bool(self.categories or self.skus)


class EarningRule(Conditions):
    """Multiplies what its lines earn; of several that fit a line the best counts, 0 leaves its lines out."""

    multiplier: Money


class Cap(Document):
    """The most that one customer, or all of them, get out of a campaign."""

    points: Points | None = None
    awards: Points | None = None


class Campaign(Conditions):
    """Gives a bonus beside the base: so many points, or so many times what its lines earn at the plain rate."""

    points: Points | None = None
    factor: Rate | None = None
    share: Share | None = None
    """A surprise: of the purchases that meet its conditions, so many are drawn, by a secret draw that can be checked."""
    first_purchase: Flag = False
    per_customer: Cap | None = None
    budget: Cap | None = None

    @property
    def is_capped(self) -> bool:
        return self.per_customer is not None or self.budget is not None


class Action(Document):
    """Points for what a customer does beside buying: once per customer for ever, by its name.

    `registration`, `first_consent` and `survey` are heard of by themselves. Its points end `expires_after_days`, else as all do.
    """

    name: Name
    points: Points
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    expires_after_days: Annotated[Whole, Field(ge=1, le=3650)] | None = None

    def is_open(self, instant: dt.datetime) -> bool:
        """Tell whether it gives points for what happened at that instant."""
        return (self.valid_from is None or self.valid_from <= instant) and (
            self.valid_until is None or instant < self.valid_until
        )


class Expiry(Document):
    """When points end: never, months after the purchase that earned them, or months after the last purchase.

    Always at the end of a local day; `rounded_to` moves that day on to the end of its month or year.
    """

    model: Literal["never", "after_earning", "inactivity"] = "never"
    months: Months = 12
    rounded_to: Literal["day", "month", "year"] = "day"
    announce_days: Days = 30


class Tier(Document):
    """A level of regular customers, reached at its threshold."""

    name: Name
    threshold: Annotated[Whole, Field(ge=0, le=10**12)]
    multiplier: Rate = Decimal(1)
    benefits: Annotated[list[Benefit], Field(max_length=50)] = []


class Tiers(Document):
    """How regular customers are told apart; the first level is everybody's and begins at 0.

    A tier is reviewed `grace_months` after the end of the period in which it was reached, and after each that follows.
    """

    counts: Literal["points", "spend"] = "points"
    window: Literal["calendar_year", "rolling_year", "lifetime"] = "calendar_year"
    levels: Annotated[list[Tier], Field(min_length=1, max_length=20)]
    downgrade: Literal["none", "one_level", "to_earned"] = "to_earned"
    grace_months: Annotated[Whole, Field(ge=0, le=24)] = 0
    announce_days: Days = 30
    granted_points_count: Flag = False
    """Whether points that other services grant (for referrals, birthdays) count too, where points are what counts."""

    def level(self, name: str | None) -> int:
        """Return the place of a tier; a name that the programme has not, or none, is the first."""
        return self.places.get(name or "", 0)

    @cached_property
    def places(self) -> dict[str, int]:
        return {tier.name: place for place, tier in enumerate(self.levels)}


class PayWithPoints(Document):
    """What points are worth at the till, and how many of them may pay for a purchase."""

    points_per_unit: Annotated[
        dict[Currency, Rate], Field(min_length=1, json_schema_extra={"additionalProperties": False})
    ]
    """How many points pay one unit of a currency: 100 where 100 points are worth 1.00."""
    minimum: Annotated[Whole, Field(ge=1, le=10**9)] = 1
    """The fewest points that pay for anything."""
    step: Annotated[Whole, Field(ge=1, le=10**9)] = 1
    """Points pay in multiples of it."""
    largest_share: Annotated[Money, Field(gt=0, le=1)] = Decimal(1)
    """Of a purchase, the most that points may pay."""


class Programme(Document):
    """What a purchase earns, how long points live, and what happens when a purchase is taken back."""

    time_zone: TimeZone = "UTC"
    """Whose days, months and years count."""
    rates: Annotated[dict[Currency, Rate], Field(min_length=1, json_schema_extra={"additionalProperties": False})] = {
        currency: Decimal(1) for currency in ("EUR", "GBP", "USD", "CHF")
    }
    """Points per unit of each currency; a purchase in another currency is refused."""
    minimum: Money = Decimal(0)
    """The least earn base that earns anything."""
    earn_base: EarnBase = EarnBase()
    rules: Annotated[list[EarningRule], Field(max_length=200)] = []
    other_lines: Money = Decimal(1)
    """The multiplier of lines that no rule fits; 0 where only what rules name shall earn."""
    campaigns: Annotated[list[Campaign], Field(max_length=200)] = []
    pending_days: Days = 0
    """How many days after that of the purchase its points can't be spent yet."""
    expiry: Expiry = Expiry()
    tiers: Tiers | None = None
    enrol_buyers: Flag = True
    """Whether a purchase of someone not enrolled enrols them, and so do points that another service grants them."""
    claim_days: Days = 30
    """How long after it happened a purchase of nobody can be claimed."""
    unmet_clawback: Literal["debt", "write_off"] = "debt"
    """What becomes of points taken back that were spent already."""
    store_credit_claws_back: Flag = True
    pay_with_points: PayWithPoints | None = None
    grace_days: Days = 30
    """How long points live that come back to a lot which has ended meanwhile; 0 where they end at once."""
    credit_limit_per_day: Points | None = None
    """So many points an API key may give by hand in a local day; what is above waits for a second key."""
    actions: Annotated[list[Action], Field(max_length=100)] = []

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @cached_property
    def is_plain(self) -> bool:
        """Whether a purchase earns its base times the rate, and nothing else can matter."""
        return not (self.rules or self.campaigns or self.tiers) and self.other_lines == 1

    @cached_property
    def campaign_names(self) -> frozenset[str]:
        return frozenset(campaign.name for campaign in self.campaigns)

    @cached_property
    def drawing(self) -> tuple[Campaign, ...]:
        """The campaigns that draw their purchases."""
        return tuple(campaign for campaign in self.campaigns if campaign.share is not None)

    def action(self, name: str) -> Action | None:
        return next((each for each in self.actions if each.name == name), None)

    def most_for(self, currency: str) -> Decimal:
        """Return what a unit of a currency can earn at most: rate, best tier, best rule and all factors together."""
        return self.rates[currency] * self._most_times

    @cached_property
    def _most_times(self) -> Decimal:
        levels = [] if self.tiers is None else self.tiers.levels
        tier = max((level.multiplier for level in levels), default=Decimal(1))
        rule = max((rule.multiplier for rule in self.rules), default=self.other_lines)
        factors = sum((campaign.factor or Decimal(0) for campaign in self.campaigns), Decimal(0))
        return tier * max(rule, self.other_lines) + factors

    def is_looked_at_differently(self, before: "Programme") -> bool:
        """Whether it has other tiers or dates, so that something may be due on any account that was settled before."""
        return (self.tiers, self.expiry, self.time_zone) != (before.tiers, before.expiry, before.time_zone)

    def tier(self, name: str | None) -> Tier | None:
        """Return the level of a customer whose account says `name`; none where the programme has no tiers."""
        return None if self.tiers is None else self.tiers.levels[self.tiers.level(name)]

    def local_day(self, instant: dt.datetime) -> dt.date:
        return instant.astimezone(self.zone).date()


# What can't be said of one field alone


def faults(programme: Programme) -> list[Fault]:
    """Return everything that does not fit together; a programme with faults is never published."""
    parts = (_names, _windows, _bonuses, _actions, _expiry, _tiers)
    return [fault for part in parts for fault in part(programme)]


def _rules(programme: Programme) -> Iterator[tuple[str, Conditions]]:
    for place, rule in enumerate(programme.rules):
        yield f"/rules/{place}", rule
    for place, campaign in enumerate(programme.campaigns):
        yield f"/campaigns/{place}", campaign


def _names(programme: Programme) -> Iterator[Fault]:
    levels = set() if programme.tiers is None else set(programme.tiers.places)
    seen = set(RESERVED) | {f"tier {name}" for name in levels}
    for pointer, rule in _rules(programme):
        if rule.name in seen:
            yield Fault(f"{pointer}/name", "name-taken", f"{rule.name!r} is the name of something else already")
        seen.add(rule.name)
        early = rule.early_access.tiers if rule.early_access else []
        for field, tiers in (("tiers", rule.tiers), ("early_access/tiers", early)):
            for place, name in enumerate(tiers):
                if name not in levels:
                    yield Fault(f"{pointer}/{field}/{place}", "tier-unknown", f"the programme has no tier {name!r}")


def _windows(programme: Programme) -> Iterator[Fault]:
    for pointer, rule in _rules(programme):
        if rule.valid_from is not None and rule.valid_until is not None and rule.valid_from >= rule.valid_until:
            yield Fault(f"{pointer}/valid_until", "window-empty", "it ends before it begins")
        if rule.hours is not None and rule.hours.from_ == rule.hours.until:
            yield Fault(f"{pointer}/hours/until", "window-empty", "from and until are the same time")
        early = rule.early_access
        if early is not None and (rule.valid_from is None or early.valid_from >= rule.valid_from):
            yield Fault(f"{pointer}/early_access/valid_from", "not-early", "it should be before valid_from")


def _bonuses(programme: Programme) -> Iterator[Fault]:
    for place, campaign in enumerate(programme.campaigns):
        if (campaign.points is None) == (campaign.factor is None):
            yield Fault(f"/campaigns/{place}/points", "bonus-unclear", "say either points or a factor")
        for field, cap in (("per_customer", campaign.per_customer), ("budget", campaign.budget)):
            if cap is not None and cap.points is None and cap.awards is None:
                yield Fault(f"/campaigns/{place}/{field}", "cap-empty", "say how many points, or how many awards")


def _actions(programme: Programme) -> Iterator[Fault]:
    seen: set[str] = set()
    for place, action in enumerate(programme.actions):
        if action.name in seen:
            yield Fault(f"/actions/{place}/name", "name-taken", f"{action.name!r} is the name of another action")
        seen.add(action.name)
        if action.valid_from is not None and action.valid_until is not None and action.valid_from >= action.valid_until:
            yield Fault(f"/actions/{place}/valid_until", "window-empty", "it ends before it begins")


def _expiry(programme: Programme) -> Iterator[Fault]:
    lasts, waits = programme.expiry.months * SHORTEST_MONTH_DAYS, programme.pending_days
    if programme.expiry.model != "never" and waits >= lasts:
        detail = f"points would expire after {programme.expiry.months} months, before {waits} days of waiting are over"
        yield Fault("/pending_days", "expires-while-pending", detail)


def _tiers(programme: Programme) -> Iterator[Fault]:
    tiers = programme.tiers
    if tiers is None:
        return
    if len(tiers.places) < len(tiers.levels):
        yield Fault("/tiers/levels", "name-taken", "two tiers have the same name")
    if tiers.levels[0].threshold:
        yield Fault("/tiers/levels/0/threshold", "tiers-out-of-order", "the first tier is everybody's and begins at 0")
    for place in range(1, len(tiers.levels)):
        if tiers.levels[place].threshold <= tiers.levels[place - 1].threshold:
            pointer = f"/tiers/levels/{place}/threshold"
            yield Fault(pointer, "tiers-out-of-order", "each threshold should be above the one before")
    if tiers.counts == "spend" and len(programme.rates) > 1:
        yield Fault("/tiers/counts", "spend-in-currencies", "spend can't be added up over several currencies")


# Versions


Version = documents.Version[Programme]


class Versions(documents.Versions[Programme]):
    """All published versions, and what follows from all of them together."""

    def __init__(self, versions: Sequence[Version]) -> None:
        super().__init__(versions)
        self._outdated: dict[int, frozenset[int]] = {}

    def outdated(self, instant: dt.datetime) -> frozenset[int]:
        """Return the versions before the one of `instant` by which accounts were looked at differently."""
        place = bisect_right(self._starts, instant) - 1
        if place not in self._outdated:
            programme = self._by_validity[place].programme
            changed = (each for each in self._by_validity[:place] if programme.is_looked_at_differently(each.programme))
            self._outdated[place] = frozenset(each.version for each in changed)
        return self._outdated[place]

    @cached_property
    def capped_campaigns(self) -> frozenset[str]:
        """The names of campaigns, in whichever version, that anyone has to keep count of."""
        campaigns = (campaign for each in self._by_validity for campaign in each.programme.campaigns)
        return frozenset(campaign.name for campaign in campaigns if campaign.is_capped)

    @cached_property
    def drawn_campaigns(self) -> frozenset[str]:
        """The names of campaigns, in whichever version, that draw their purchases."""
        campaigns = (campaign for each in self._by_validity for campaign in each.programme.campaigns)
        return frozenset(campaign.name for campaign in campaigns if campaign.share is not None)

    @cached_property
    def has_actions(self) -> bool:
        return any(each.programme.actions for each in self._by_validity)

    @cached_property
    def longest_claim_days(self) -> int:
        """The longest window in which a purchase of nobody could ever be claimed."""
        return max(each.programme.claim_days for each in self._by_validity)

    @cached_property
    def budgeted_campaigns(self) -> frozenset[str]:
        campaigns = (campaign for each in self._by_validity for campaign in each.programme.campaigns)
        return frozenset(campaign.name for campaign in campaigns if campaign.budget is not None)

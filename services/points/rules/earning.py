"""What a purchase earns, and what of it stays earned when parts are taken back: exact, rounded down once per line of it."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Context, Decimal
from typing import NamedTuple, Protocol

from services.points.programme import WEEKDAYS, Campaign, Conditions, EarningRule, Programme

ZERO, ONE = Decimal(0), Decimal(1)
LONG_AGO = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
DRAW = "draw"
CENT_OF_CENT = Decimal("0.0001")

EXACT = Context(prec=200)
"""Products of sums of money and rates, kept to the last digit: rounding would move a point."""


class Line(Protocol):
    """A line of an invoice."""

    @property
    def sku(self) -> str: ...
    @property
    def category(self) -> str | None: ...
    @property
    def amount(self) -> Decimal: ...


class Sale(NamedTuple):
    """What of a purchase decides its points; money in units of its currency, the time in any zone."""

    total: Decimal
    tax: Decimal = ZERO
    shipping: Decimal = ZERO
    gift_cards: Decimal = ZERO
    points_paid: Decimal = ZERO
    discount: Decimal = ZERO
    lines: Sequence[Line] = ()
    shop_id: str = ""
    channel: str | None = None
    occurred_at: dt.datetime = LONG_AGO


@dataclass(frozen=True, slots=True)
class Use:
    """What was given of a campaign so far, to one customer or to all."""

    points: int = 0
    awards: int = 0

    def __add__(self, other: "Use") -> "Use":
        return Use(self.points + other.points, self.awards + other.awards)


UNUSED = Use()


@dataclass(frozen=True, slots=True)
class Buyer:
    """What of a customer decides their points: `uses` and `budgets` count what capped campaigns gave, by their names.

    `drawn` are the campaigns whose draw takes this purchase.
    """

    tier: str | None = None
    is_first: bool = False
    uses: Mapping[str, Use] = field(default_factory=dict)
    budgets: Mapping[str, Use] = field(default_factory=dict)
    drawn: frozenset[str] = frozenset()


NEWCOMER = Buyer()


@dataclass(frozen=True, slots=True)
class Choice:
    """A rule that fits lines of `chosen` in all; it counts where what is kept of them comes to `minimum`."""

    name: str
    multiplier: Decimal
    minimum: Decimal
    chosen: Decimal


@dataclass(frozen=True, slots=True)
class Group:
    """Lines that the same rules fit, the best of them first."""

    amount: Decimal
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Bonus:
    """A campaign that fits lines of `chosen`: so many points, or a factor; `room` is what caps left of it, if any."""

    name: str
    points: int | None
    factor: Decimal | None
    minimum: Decimal
    chosen: Decimal
    room: int | None = None


class Terms(NamedTuple):
    """An award's snapshot: what every later clawback is computed from, whatever the programme has become (rule 4).

    `gross` is the part of the total that counts, `base` what it earns on (smaller where tax does not earn, larger where
    discounts do), `lines` the sum of its lines, 1 where it has none.
    """

    version: int
    rate: Decimal
    minimum: Decimal
    gross: Decimal
    base: Decimal
    tier: str | None = None
    tier_multiplier: Decimal = ONE
    other_lines: Decimal = ONE
    lines: Decimal = ONE
    groups: tuple[Group, ...] = ()
    bonuses: tuple[Bonus, ...] = ()


class Part(NamedTuple):
    """How many points a rule gave; more, `capped_from`, where a cap cut it."""

    rule: str
    points: int
    capped_from: int | None = None


# What counts


def eligible(sale: Sale, programme: Programme) -> Decimal:
    """Return the part of the total that counts, tax included and discounts not: what refunds can take back (rule 2)."""
    counts = programme.earn_base
    left_out = (
        (ZERO if counts.shipping else sale.shipping)
        + (ZERO if counts.gift_cards else sale.gift_cards)
        + (ZERO if counts.points_paid else sale.points_paid)
    )
    return max(ZERO, sale.total - left_out)


def terms(sale: Sale, *, version: int, programme: Programme, rate: Decimal, buyer: Buyer = NEWCOMER) -> Terms:
    """Return the snapshot of what `sale` earns under `programme`, with the buyer's tier and the room that caps leave."""
    gross = eligible(sale, programme)
    base = _base(sale, gross, programme)
    if programme.is_plain:
        return Terms(version, rate, programme.minimum, gross, base)
    lines = sum((line.amount for line in sale.lines), ZERO)
    tier = programme.tier(buyer.tier)
    return Terms(
        version,
        rate,
        programme.minimum,
        gross,
        base,
        tier=None if tier is None else tier.name,
        tier_multiplier=ONE if tier is None else tier.multiplier,
        other_lines=programme.other_lines,
        lines=lines or ONE,
        groups=tuple(_groups(sale, programme, buyer, lines)),
        bonuses=tuple(_bonuses(sale, programme, buyer, lines)),
    )


def _base(sale: Sale, gross: Decimal, programme: Programme) -> Decimal:
    counts = programme.earn_base
    more = sale.discount if counts.discount and gross else ZERO
    return max(ZERO, gross + more - (ZERO if counts.tax else sale.tax))


def _groups(sale: Sale, programme: Programme, buyer: Buyer, lines: Decimal) -> Iterator[Group]:
    """Put lines together that the same rules fit; a purchase without lines is one that no rule chooses."""
    fitting = [rule for rule in programme.rules if unmet(rule, sale, programme, buyer) is None]
    choices = {rule.name: _choice(rule, sale, lines) for rule in fitting}
    if not lines:
        yield Group(ONE, _best(choices[rule.name] for rule in fitting if not rule.chooses_lines))
        return
    amounts: dict[tuple[Choice, ...], Decimal] = {}
    for line in sale.lines:
        found = _best(choices[rule.name] for rule in fitting if chooses(rule, line))
        amounts[found] = amounts.get(found, ZERO) + line.amount
    for found, amount in amounts.items():
        yield Group(amount, found)


def _best(choices: Iterable[Choice]) -> tuple[Choice, ...]:
    """Return the choices from the best on, up to the first that needs no minimum: none after it can ever count."""
    ordered = sorted(choices, key=lambda each: -each.multiplier)
    last = next((place for place, each in enumerate(ordered) if not each.minimum), len(ordered))
    return tuple(ordered[: last + 1])


def _choice(rule: EarningRule, sale: Sale, lines: Decimal) -> Choice:
    return Choice(rule.name, rule.multiplier, rule.minimum, _chosen(rule, sale, lines))


def _chosen(rule: Conditions, sale: Sale, lines: Decimal) -> Decimal:
    if not lines:
        return ZERO if rule.chooses_lines else ONE
    return sum((line.amount for line in sale.lines if chooses(rule, line)), ZERO)


def chooses(rule: Conditions, line: Line) -> bool:
    """Tell whether a rule counts a line; one that names neither articles nor categories counts all."""
    return not rule.chooses_lines or line.category in rule.chosen_categories or line.sku in rule.chosen_skus


def _bonuses(sale: Sale, programme: Programme, buyer: Buyer, lines: Decimal) -> Iterator[Bonus]:
    for campaign in programme.campaigns:
        chosen = _chosen(campaign, sale, lines)
        if chosen and unmet(campaign, sale, programme, buyer) is None:
            room = room_of(campaign, buyer)
            yield Bonus(campaign.name, campaign.points, campaign.factor, campaign.minimum, chosen, room)


# Whether a rule counts for a purchase


@dataclass(frozen=True, slots=True)
class Unmet:
    """Why a rule does not count."""

    code: str
    detail: str


def unmet(rule: Conditions, sale: Sale, programme: Programme, buyer: Buyer) -> Unmet | None:
    """Return the first condition of the whole purchase that is not met; lines and minimums are judged by the terms."""
    tier = programme.tier(buyer.tier)
    name = None if tier is None else tier.name
    if not _is_valid(rule, sale.occurred_at, name):
        return Unmet("window", f"the purchase is from {sale.occurred_at.isoformat()}, outside its validity")
    if rule.tiers and name not in rule.tiers:
        return Unmet("tier", f"it is for {', '.join(rule.tiers)}; the customer is {name}")
    if rule.shops and sale.shop_id not in rule.shops:
        return Unmet("shop", f"it does not count in {sale.shop_id}")
    if rule.channels and sale.channel not in rule.channels:
        return Unmet("channel", f"it is for {', '.join(rule.channels)}; the purchase came by {sale.channel}")
    local = sale.occurred_at.astimezone(programme.zone)
    if rule.weekdays and WEEKDAYS[local.weekday()] not in rule.weekdays:
        return Unmet("weekday", f"it is for {', '.join(rule.weekdays)}; that day was {WEEKDAYS[local.weekday()]}")
    if rule.hours is not None and not rule.hours.holds(f"{local:%H:%M}"):
        return Unmet("hours", f"it is for {rule.hours.from_} to {rule.hours.until}; it was {local:%H:%M}")
    return _unmet_by_buyer(rule, buyer) if isinstance(rule, Campaign) else None


def _unmet_by_buyer(campaign: Campaign, buyer: Buyer) -> Unmet | None:
    if campaign.first_purchase and not buyer.is_first:
        return Unmet("first-purchase", "it is for the first purchase")
    for cap, use in ((campaign.per_customer, buyer.uses), (campaign.budget, buyer.budgets)):
        if cap is not None and cap.awards is not None and use.get(campaign.name, UNUSED).awards >= cap.awards:
            return Unmet("cap-reached", f"it was given {cap.awards} times")
    if campaign.share is not None and campaign.name not in buyer.drawn:
        return Unmet(DRAW, f"it is given to a share of {campaign.share}, drawn as purchases are booked")
    return None


def _is_valid(rule: Conditions, instant: dt.datetime, tier: str | None) -> bool:
    begins = rule.valid_from
    if rule.early_access is not None and tier in rule.early_access.tiers:
        begins = rule.early_access.valid_from
    return (begins is None or begins <= instant) and (rule.valid_until is None or instant < rule.valid_until)


def room_of(campaign: Campaign, buyer: Buyer) -> int | None:
    """Return how many points the campaign's caps leave; none where it has no such cap."""
    rooms = [
        max(0, cap.points - use.get(campaign.name, UNUSED).points)
        for cap, use in ((campaign.per_customer, buyer.uses), (campaign.budget, buyer.budgets))
        if cap is not None and cap.points is not None
    ]
    return min(rooms, default=None)


# The points


def award(snapshot: Terms, taken_back: Decimal = ZERO) -> int:
    """Return what the purchase earns when `taken_back` of its counting part was refunded (rule 13)."""
    return sum(part.points for part in breakdown(snapshot, taken_back))


def breakdown(snapshot: Terms, taken_back: Decimal = ZERO) -> list[Part]:
    """Return what each rule gives; the parts add up to the award (rules 1 and 3).

    The base with tier and multipliers is rounded once: each line of it is what its rule moves the rounded sum by.
    """
    kept = max(ZERO, snapshot.gross - taken_back)
    if not kept or not snapshot.base:
        return []
    if snapshot.base == snapshot.gross:
        earning, of = kept, ONE
    else:
        earning, of = EXACT.multiply(snapshot.base, kept), snapshot.gross
    if earning < EXACT.multiply(snapshot.minimum, of):
        return []
    value = EXACT.multiply(earning, snapshot.rate)
    parts = [Part("base", _floor(value, of))]
    if snapshot.groups or snapshot.tier_multiplier != ONE:
        parts += _multiplied(snapshot, value, of, kept)
    return [*parts, *_given(snapshot, value, of, kept)] if snapshot.bonuses else parts


def _floor(value: Decimal, of: Decimal) -> int:
    return int(EXACT.divide_int(value, of))


def _multiplied(snapshot: Terms, value: Decimal, of: Decimal, kept: Decimal) -> Iterator[Part]:
    so_far = _floor(value, of)
    value = EXACT.multiply(value, snapshot.tier_multiplier)
    now = _floor(value, of)
    if now != so_far:
        yield Part(f"tier {snapshot.tier}", now - so_far)
    of, weight = EXACT.multiply(of, snapshot.lines), snapshot.lines
    for name, more in _weights(snapshot, kept).items():
        so_far, weight = now, EXACT.add(weight, more)
        now = _floor(EXACT.multiply(value, weight), of)
        if now != so_far:
            yield Part(name, now - so_far)


def _weights(snapshot: Terms, kept: Decimal) -> dict[str, Decimal]:
    """Return by how much each rule moves the weighted sum of the lines."""
    weights: dict[str, Decimal] = {}
    for group in snapshot.groups:
        found = next((each for each in group.choices if _comes_to(each, snapshot, kept)), None)
        name, multiplier = ("other lines", snapshot.other_lines) if found is None else (found.name, found.multiplier)
        more = EXACT.multiply(group.amount, EXACT.subtract(multiplier, ONE))
        weights[name] = EXACT.add(weights.get(name, ZERO), more)
    return weights


def _comes_to(rule: Choice | Bonus, snapshot: Terms, kept: Decimal) -> bool:
    """Tell whether what is kept of the chosen lines reaches the rule's minimum."""
    return EXACT.multiply(kept, rule.chosen) >= EXACT.multiply(rule.minimum, snapshot.lines)


def _given(snapshot: Terms, value: Decimal, of: Decimal, kept: Decimal) -> Iterator[Part]:
    for bonus in snapshot.bonuses:
        if not _comes_to(bonus, snapshot, kept):
            continue
        points = bonus.points
        if points is None:
            chosen = EXACT.multiply(EXACT.multiply(value, bonus.chosen), bonus.factor or ZERO)
            points = _floor(chosen, EXACT.multiply(of, snapshot.lines))
        if bonus.room is not None and points > bonus.room:
            yield Part(bonus.name, bonus.room, capped_from=points)
        elif points:
            yield Part(bonus.name, points)


def clawback(snapshot: Terms, *, earned: int, taken_back: Decimal, clawed_back: int) -> int:
    """Return the points to claw back now, after `taken_back` in all and `clawed_back` points before (rule 13)."""
    return max(0, earned - award(snapshot, taken_back) - clawed_back)


# Refunds


def points_paid_part(*, paid: Decimal, total: Decimal, refunded: Decimal, given_back: Decimal) -> Decimal:
    """Return the part of a refund that was paid with points, cumulatively (rule 16).

    `refunded` is the sum of all refunds with this one, `given_back` the points-paid parts of the earlier ones.
    """
    if not paid:
        return ZERO
    share = paid if refunded >= total else (paid * refunded / total).quantize(CENT_OF_CENT, ROUND_DOWN)
    return max(ZERO, share - given_back)


def refund_counts(
    amount: Decimal, *, shipping: Decimal, gift_cards: Decimal, points_paid: Decimal, programme: Programme
) -> Decimal:
    """Return the part of a refunded amount that lowers the earn base: the mirror of `eligible`."""
    return eligible(
        Sale(total=amount, shipping=shipping, gift_cards=gift_cards, points_paid=points_paid),
        programme,
    )


# Why a rule did not count


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A rule that gives nothing here, and why."""

    rule: str
    code: str
    detail: str


def passed_over(sale: Sale, programme: Programme, buyer: Buyer, snapshot: Terms) -> list[PassedOver]:
    """Return every rule of the programme that is not in the snapshot's breakdown, with its reason."""
    names = {part.rule for part in breakdown(snapshot)}
    rules: list[Conditions] = [*programme.rules, *programme.campaigns]
    return [_why(rule, sale, programme, buyer, snapshot) for rule in rules if rule.name not in names]


def _why(rule: Conditions, sale: Sale, programme: Programme, buyer: Buyer, snapshot: Terms) -> PassedOver:
    found = unmet(rule, sale, programme, buyer)
    if found is None or found.code == DRAW:
        # what is drawn or not is possible only where nothing else stands against it
        others = _unmet_by_base(snapshot) or _unmet_by_lines(rule, sale, programme)
        found = others or found or _without_effect(rule, snapshot)
    return PassedOver(rule.name, found.code, found.detail)


def _unmet_by_base(snapshot: Terms) -> Unmet | None:
    if not snapshot.base:
        return Unmet("nothing-counts", "nothing of the purchase earns points")
    if snapshot.base < snapshot.minimum:
        return Unmet("purchase-minimum", f"{snapshot.base} of the purchase counts, points begin at {snapshot.minimum}")
    return None


def _without_effect(rule: Conditions, snapshot: Terms) -> Unmet:
    met = (
        (each.name for each in group.choices if _comes_to(each, snapshot, snapshot.gross)) for group in snapshot.groups
    )
    if isinstance(rule, EarningRule) and rule.name not in {next(names, None) for names in met}:
        return Unmet("outdone", "another rule gives at least as much for its lines")
    return Unmet("no-effect", "it makes less than a point of difference")


def _unmet_by_lines(rule: Conditions, sale: Sale, programme: Programme) -> Unmet | None:
    lines = sum((line.amount for line in sale.lines), ZERO)
    chosen = _chosen(rule, sale, lines)
    if not chosen:
        return Unmet("lines", "no line of the purchase is one of its articles or categories")
    comes_to = eligible(sale, programme) * chosen / (lines or ONE)
    if comes_to < rule.minimum:
        return Unmet("minimum", f"its lines come to {comes_to:.2f}, it begins at {rule.minimum}")
    return None

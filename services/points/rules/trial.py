"""What a draft of the programme would have given for past purchases, beside what the programme of today would have."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from services.points.programme import Programme
from services.points.rules import draws, earning
from services.points.rules.earning import Buyer, Part, Sale

MOST_STEPS = 1_000_000
"""A step is a rule judged on a line: so many take two or three seconds."""

OPEN = {"valid_from": None, "valid_until": None, "early_access": None}


@dataclass(frozen=True, slots=True)
class Sample:
    """A past purchase; its buyer has the tier of that day, and has been given nothing of any campaign yet."""

    shop_id: str
    invoice_number: str
    customer_id: str
    currency: str
    sale: Sale
    buyer: Buyer


class Judged(NamedTuple):
    """A purchase with both of its breakdowns; none where the draft has no rate for its currency."""

    sample: Sample
    before: list[Part]
    after: list[Part] | None

    @property
    def points(self) -> tuple[int, int]:
        return sum(part.points for part in self.before), sum(part.points for part in self.after or ())

    @property
    def moves(self) -> int:
        before, after = self.points
        return abs(after - before)


@dataclass(slots=True)
class Comparison:
    """Points of all purchases together, and of each rule: before and after."""

    purchases: int = 0
    changed: int = 0
    refused: int = 0
    points: tuple[int, int] = (0, 0)
    rules: dict[str, tuple[int, int]] = field(default_factory=dict)
    largest: list[Judged] = field(default_factory=list)


def compare(
    samples: Iterable[Sample], current: Programme, draft: Programme, *, largest: int, open_windows: bool
) -> Comparison:
    """Judge each purchase by itself under both programmes, until there are no more or `MOST_STEPS` are done.

    With `open_windows` no rule is too early or too late, so that what begins next month shows what it does.
    """
    if open_windows:
        current, draft = _opened(current), _opened(draft)
    found, judged = Comparison(), []
    for each in _judged(samples, current, draft):
        judged.append(each)
        _count(found, each)
    moving = (each for each in judged if each.moves)
    found.largest = heapq.nlargest(largest, moving, key=lambda each: each.moves)
    return found


def _opened(programme: Programme) -> Programme:
    rules = [rule.model_copy(update=OPEN) for rule in programme.rules]
    campaigns = [campaign.model_copy(update=OPEN) for campaign in programme.campaigns]
    return programme.model_copy(update={"rules": rules, "campaigns": campaigns})


def _judged(samples: Iterable[Sample], current: Programme, draft: Programme) -> Iterator[Judged]:
    rules = 1 + sum(len(each.rules) + len(each.campaigns) for each in (current, draft))
    steps = 0
    for sample in samples:
        steps += rules * (1 + len(sample.sale.lines))
        if steps > MOST_STEPS:
            return
        before = _given(sample, current)
        if before is not None:
            yield Judged(sample, before, _given(sample, draft))


def _given(sample: Sample, programme: Programme) -> list[Part] | None:
    rate = programme.rates.get(sample.currency)
    if rate is None:
        return None
    buyer = sample.buyer
    if programme.drawing:
        by_trial = dict.fromkeys(programme.campaign_names, draws.TRIAL)
        drawn = draws.drawn(programme, by_trial, sample.shop_id, sample.invoice_number)
        buyer = replace(buyer, drawn=drawn)
    terms = earning.terms(sample.sale, version=0, programme=programme, rate=rate, buyer=buyer)
    return earning.breakdown(terms)


def _count(found: Comparison, each: Judged) -> None:
    before, after = each.points
    found.purchases += 1
    found.changed += before != after
    found.refused += each.after is None
    found.points = found.points[0] + before, found.points[1] + after
    for place, parts in enumerate((each.before, each.after or ())):
        for part in parts:
            both = list(found.rules.get(part.rule, (0, 0)))
            both[place] += part.points
            found.rules[part.rule] = both[0], both[1]

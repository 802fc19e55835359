"""What was found of occasions, as answers show it."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from services.notifications.occasions.proposals import Proposal
from services.notifications.programme import AnyOccasion, Campaign, Programme
from services.notifications.rules.costs import Bill, cents
from services.notifications.rules.occasions import DAY, begins_on


@dataclass(slots=True)
class Summary:
    """Proposals, added up."""

    bill: Bill
    customers: Counter[dt.date] = field(default_factory=Counter)
    reachable: Counter[dt.date] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, proposal: Proposal) -> None:
        self.customers[proposal.day] += 1
        if proposal.reason is None:
            self.reachable[proposal.day] += 1
        else:
            self.reasons[proposal.reason] += 1
        self.bill.add(proposal.turnover, proposal.purchases)


def preview_view(terms: AnyOccasion, summary: Summary, programme: Programme, share: Decimal) -> dict[str, Any]:
    days = [
        {"day": day, "customers": number, "reachable": summary.reachable[day]}
        for day, number in sorted(summary.customers.items())
    ]
    return {
        "occasion": terms.name,
        "customers": summary.customers.total(),
        "reachable": summary.reachable.total(),
        "unreachable": dict(sorted(summary.reasons.items())),
        "days": days,
        "cost": _cost(summary.bill, programme, share),
    }


def _cost(bill: Bill, programme: Programme, share: Decimal) -> dict[str, Any]:
    each = programme.cost_per_point
    return {
        "currency": programme.currency,
        "gifts": bill.gifts,
        "points": bill.points,
        "points_cost": None if each is None else str(cents(bill.points * each)),
        "coupons_at_most": str(bill.at_most),
        "coupons_expected": str(cents(bill.at_most * share)),
        "redemption_share": str(share),
        "estimated_from": bill.estimated,
    }


def proposal_view(proposal: Proposal) -> dict[str, Any]:
    return {
        "customer_id": proposal.customer_id,
        "season": proposal.season,
        "about": proposal.about.isoformat(),
        "day": proposal.day,
        "at": proposal.at,
        "reachable": proposal.reason is None,
        "reason": proposal.reason,
    }


def season_of(terms: AnyOccasion, today: dt.date) -> int | None:
    """Return the season that is going on or comes next; none where the only one is over."""
    if not isinstance(terms, Campaign):
        return today.year
    for season in [terms.year] if terms.year else range(today.year - 1, today.year + 2):
        if today < begins_on(terms, season) + terms.days * DAY:
            return season
    return None


def occasion_view(terms: AnyOccasion, season: int | None, customers: Mapping[str, int]) -> dict[str, Any]:
    begins = begins_on(terms, season) if isinstance(terms, Campaign) and season is not None else None
    return {
        "name": terms.name,
        "kind": terms.kind,
        "enabled": terms.enabled,
        "season": season,
        "begins": begins,
        "ends": begins + (terms.days - 1) * DAY if isinstance(terms, Campaign) and begins is not None else None,
        "customers": customers,
    }

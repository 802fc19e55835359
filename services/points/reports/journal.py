"""The journal: what each local day moved between the accounts of the points, in lines that always balance."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.points.reports.narrowing import account_names
from services.points.rules.bookkeeping import SIDES, BookAccount, postings
from shared.database import fetch
from shared.reports.narrowing import cost
from shared.reports.questions import Question
from shared.reports.report import Chart, Column, Findings, Report

# what an entry did to each side of the balance is what the one before had left of it; a debt is a side of its own
MOVED = f"""
WITH moved AS (
  SELECT kind, occurred_at,
      greatest(available_after, 0) - greatest(lag(available_after, 1, 0::bigint) OVER before, 0) AS outstanding,
      pending_after - lag(pending_after, 1, 0::bigint) OVER before AS pending,
      held_after - lag(held_after, 1, 0::bigint) OVER before AS held,
      least(available_after, 0) - least(lag(available_after, 1, 0::bigint) OVER before, 0) AS owed
    FROM entry WINDOW before AS (PARTITION BY customer_id ORDER BY sequence))
SELECT width_bucket(occurred_at, $1::timestamptz[]) AS day, kind,
    {", ".join(f"sum(greatest({side}, 0))::bigint, sum(greatest(-{side}, 0))::bigint" for side in SIDES)}
  FROM moved WHERE occurred_at < $2 GROUP BY day, kind ORDER BY day, kind"""

Lines = dict[tuple[BookAccount, BookAccount], list[tuple[str, int]]]
"""Kinds of entries and their points, by the accounts that they debit and credit."""


async def read_journal(connection: AsyncConnection, question: Question) -> Findings:
    """Return the lines of each day, and what stands on the points' accounts after the last."""
    balances = dict.fromkeys(SIDES, 0)
    days: dict[int, Lines] = {}
    for day, kind, *moved in await fetch(connection, MOVED, question.days(), question.stop):
        rises, falls = (dict(zip(SIDES, moved[first::2], strict=True)) for first in (0, 1))
        for side in SIDES:
            balances[side] += rises[side] - falls[side]
        for debit, credit, points in postings(kind, rises, falls):
            days.setdefault(day, {}).setdefault((debit, credit), []).append((kind, points))
    # what was before the range has only opened the accounts
    days.pop(0, None)
    rows = [row for day, lines in days.items() for row in _rows(lines, day, question)]
    return Findings(rows, (*_sums(rows, question), *balances.values(), _closing(balances, question)))


def _rows(lines: Lines, day: int, question: Question) -> list[Sequence[Any]]:
    names, on = account_names(question), question.day(day - 1)
    rows: list[Sequence[Any]] = []
    for (debit, credit), parts in lines.items():
        points, kinds = sum(part for _, part in parts), ", ".join(kind for kind, _ in parts)
        rows.append((on, names[debit], names[credit], points, cost(points, question), kinds))
    return rows


def _sums(rows: Sequence[Sequence[Any]], question: Question) -> tuple[int, int, Decimal | None]:
    """Return what all lines debit and what they credit: the same, since each has both."""
    points = sum(row[3] for row in rows)
    return points, points, cost(points, question)


def _closing(balances: Mapping[BookAccount, int], question: Question) -> Decimal | None:
    return cost(balances["outstanding"] + balances["pending"] + balances["held"], question)


JOURNAL = Report(
    "journal",
    "Journal of points",
    "What each local day issued, redeemed, expired, reversed and adjusted, as double-entry lines that always balance.",
    "Every entry of the ledger by when it occurred: each line debits one account and credits another with the same points, summed"
    " up by day. Points outstanding, pending and held are liabilities; what customers owe, who had spent what was clawed back, is"
    " an asset; the other accounts say why these changed. What is booked later for an earlier day (a purchase, a refund or a job"
    " that came late) changes that day: export a period again after its end. Amount = points * cost of a point.",
    (
        Column("day", "date", "the local day, in the programme's time zone"),
        Column("debit", "text", "the account that is debited"),
        Column("credit", "text", "the account that is credited"),
        Column("points", "points", "on both of them"),
        Column("amount", "money", "points * cost of a point, where that is said"),
        Column("entry_kinds", "text", "the kinds of the ledger's entries in the line"),
    ),
    Chart("ranks", "entry_kinds", ("points",)),
    read_journal,
    takes=frozenset({"cost_per_point"}),
    summary=(
        Column("debits", "points", "the sum of all debits in the range"),
        Column("credits", "points", "the sum of all credits in the range"),
        Column("amount", "money", "of either, where the cost of a point is said"),
        Column("outstanding", "points", "could be spent, after the last day"),
        Column("pending", "points", "wait for their time, after the last day"),
        Column("held", "points", "are held for redemptions, after the last day"),
        Column("owed", "points", "owed by customers, after the last day; below zero"),
        Column("liability", "money", "(outstanding + pending + held) * cost of a point, where that is said"),
    ),
)

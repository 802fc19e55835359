"""Each report on recommendations over two years of real invoices, against an independent question to DuckDB."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from tests.referrals.reports.conftest import Read
from tests.referrals.reports.history import History
from tests.retail import Ask, same_share

IN_RANGE = "claimed_at >= '2009-12-01' AND claimed_at < '2011-12-10'"
COUNTING = "status IN ('qualified', 'rewarded')"


def test_the_history_holds_every_status_of_referrals_and_rewards(history: History) -> None:
    assert Counter(each.status for each in history.claims).keys() == {
        "rewarded", "qualified", "claimed", "review", "rejected",
    }  # fmt: skip
    assert Counter(each.status for each in history.rewards).keys() >= {
        "given",
        "held",
        "cancelled",
        "reversed",
        "capped",
    }
    assert {each.side for each in history.rewards if each.rung} == {"referrer"}
    assert len(history.claims) > 1_000
    assert history.merged
    assert any(each.partner for each in history.claims)


FUNNEL = """
WITH undone AS (SELECT DISTINCT referral_id FROM due WHERE status = 'reversed'),
  period AS (SELECT unnest(range(timestamp '2009-12-01', timestamp '2012-01-01', interval 1 {period})) AS p)
SELECT (SELECT coalesce(sum(shares), 0)::bigint FROM shared WHERE date_trunc('{period}', day) = p AND {code}),
    count(referral_id), count(*) FILTER (WHERE status = 'rejected'), count(*) FILTER (WHERE status = 'review'),
    count(*) FILTER (WHERE status = 'claimed') + count(*) FILTER (WHERE status = 'qualified')
      + count(*) FILTER (WHERE status = 'rewarded'),
    count(*) FILTER (WHERE status = 'qualified' OR status = 'rewarded'), count(*) FILTER (WHERE status = 'rewarded'),
    count(undone.referral_id)
  FROM period LEFT JOIN claim ON date_trunc('{period}', claimed_at) = p AND {code}
  LEFT JOIN undone USING (referral_id) GROUP BY p ORDER BY p"""


@pytest.mark.parametrize("period", ["month", "quarter", "year"])
async def test_the_funnel_by_period(read: Read, ask: Ask, period: str) -> None:
    starts = {"month": dt.date(2009, 12, 1), "quarter": dt.date(2009, 10, 1), "year": dt.date(2009, 1, 1)}
    answer = await read("funnel", starts[period], period=period)
    start = f"timestamp '{starts[period]}'"
    expected = ask(FUNNEL.format(period=period, code="true").replace("timestamp '2009-12-01'", start))
    assert [row[1:9] for row in answer.findings.rows] == expected
    for row in answer.findings.rows:
        shared, claims, _, _, claimed, qualified, rewarded = row[1:8]
        pairs = (claims, shared), (claimed, claims), (qualified, claimed), (rewarded, qualified)
        assert all(same_share(rate, *pair) for rate, pair in zip(row[9:13], pairs, strict=True))
    whole = [sum(column) for column in zip(*expected, strict=True)]
    assert list(answer.findings.summary[:8]) == whole
    assert min(whole) > 0


async def test_the_funnel_of_one_code_however_it_is_spelled(read: Read, ask: Ask, history: History) -> None:
    ((code, _),) = Counter(each.code for each in history.claims).most_common(1)
    answer = await read("funnel", code=code.lower().replace("-", " "))
    expected = ask(FUNNEL.format(period="month", code=f"code = '{code}'"))
    assert [row[1:9] for row in answer.findings.rows] == expected
    assert answer.summary()["claims"] > 5


GIVEN = f"""
WITH benefit AS (
  SELECT referral_id, due.status, (benefit::json ->> '$.points')::bigint AS points, benefit LIKE '%coupon%' AS is_coupon, claim.*
    EXCLUDE (referral_id, status), claim.status AS stands, earns_in, commissions
    FROM claim LEFT JOIN due USING (referral_id)
    LEFT JOIN (SELECT referral_id, any_value(currency) AS earns_in, sum(CASE status WHEN 'due' THEN amount END) AS commissions
      FROM earned GROUP BY referral_id) USING (referral_id)
   WHERE {IN_RANGE})
SELECT {{by}}, count(DISTINCT referral_id) FILTER (WHERE stands IN ('qualified', 'rewarded')) AS won,
    coalesce(sum(points) FILTER (WHERE status = 'given'), 0)::bigint AS points,
    count(*) FILTER (WHERE status = 'given' AND is_coupon) AS coupons,
    coalesce(sum(points) FILTER (WHERE status = 'held'), 0)::bigint AS held,
    -- a partner's referral has one reward at most, the friend's, and so one row
    coalesce(sum(commissions), 0) AS commissions FROM benefit GROUP BY ALL"""


async def test_what_a_customer_won_costs_by_period(read: Read, ask: Ask) -> None:
    answer = await read("referral-cost", cost_per_point=Decimal("0.01"))
    expected = ask(GIVEN.format(by="strftime(claimed_at, '%Y-%m') AS month, coalesce(earns_in, 'EUR')"))
    found = [tuple(row) for row in answer.findings.rows]
    assert sorted(row[:6] for row in found if any(row[2:6])) == sorted(row[:6] for row in expected if any(row[2:6]))
    commissions = {row[:2]: row[6] for row in expected}
    for row in found:
        won, points, each, earned, cost, cost_each = row[2], row[3], *row[6:10]
        assert earned == commissions.get(row[:2], 0)
        assert cost == points * Decimal("0.01") + earned
        assert each is None if not won else float(each) == pytest.approx(points / won, abs=0.0051)
        assert cost_each is None if not won else float(cost_each) == pytest.approx(float(cost) / won, abs=0.0051)
    assert {row[1] for row in answer.findings.rows} == {"EUR", "GBP"}
    pounds = await read("referral-cost", currency="GBP", cost_per_point=Decimal("0.01"))
    assert pounds.findings.rows == [row for row in answer.findings.rows if row[1] == "GBP"]


async def test_what_a_customer_won_costs_by_code(read: Read, ask: Ask) -> None:
    answer = await read("referral-cost-by-code", limit=10_000)
    expected = [row for row in ask(GIVEN.format(by="code, coalesce(earns_in, 'EUR') AS currency")) if any(row[2:])]
    expected.sort(key=lambda row: (-row[3], -row[6], -row[4], -row[2], row[0], row[1]))
    assert [(*row[:6], row[7]) for row in answer.findings.rows] == expected
    assert (await read("referral-cost-by-code", limit=3)).findings.rows == answer.findings.rows[:3]


FRIENDS = f"""
WITH mine AS (
    SELECT *, date_trunc('{{period}}', sold_at) AS p, customer IN (SELECT friend FROM claim WHERE {COUNTING}) AS referred
      FROM bought WHERE coalesce(shop = ?, true)),
  active AS (SELECT currency, referred, customer, p, count(*) AS n, sum(kept) AS kept FROM mine GROUP BY ALL),
  arrived AS (SELECT currency, customer, min(p) AS p FROM active GROUP BY ALL),
  span AS (SELECT p FROM unnest(range(timestamp '{{start}}', timestamp '2012-01-01', interval 1 {{period}})) AS t(p))
SELECT
    (SELECT count(*) FROM active a WHERE (a.currency, a.referred, a.p) = (c.currency, r.referred, s.p - interval 1 {{period}})),
    count(a.customer) AS e, count(a.customer) FILTER (WHERE arrived.p = s.p) AS n, count(back.customer) AS kept,
    count(a.customer) FILTER (WHERE a.n > 1) AS again, coalesce(sum(a.n), 0)::bigint AS purchases,
    coalesce(sum(a.kept), 0) AS turnover
  FROM (VALUES ('EUR'), ('GBP')) AS c(currency) CROSS JOIN span s CROSS JOIN (VALUES (true), (false)) AS r(referred)
  LEFT JOIN active a ON a.currency = c.currency AND a.p = s.p AND a.referred = r.referred
  LEFT JOIN arrived ON arrived.currency = a.currency AND arrived.customer = a.customer
  LEFT JOIN active back ON back.currency = a.currency AND back.customer = a.customer AND back.p = a.p - interval 1 {{period}}
 GROUP BY c.currency, s.p, r.referred ORDER BY c.currency, s.p, r.referred DESC"""


@pytest.mark.parametrize(
    ("period", "start", "shop"), [("month", "2009-12-01", None), ("quarter", "2009-10-01", "london")]
)
async def test_referred_customers_and_the_others(
    read: Read, ask: Ask, period: str, start: str, shop: str | None
) -> None:
    narrowing = {} if shop is None else {"shop_id": shop}
    answer = await read("referred", dt.date.fromisoformat(start), period=period, **narrowing)
    expected = ask(FRIENDS.format(period=period, start=start), shop)
    sides: list[Sequence[Any]] = []
    for row in answer.findings.rows:
        sides.extend((row[2:14:2], row[3:14:2]))
    assert len(sides) == len(expected)
    for (active, turnover, average, again, kept, strict), counts in zip(sides, expected, strict=True):
        before, found, new, stayed, repeating, purchases, sold = counts
        assert (active, turnover) == (found, sold)
        assert (
            average is None if not purchases else float(average) == pytest.approx(float(sold) / purchases, abs=0.0051)
        )
        assert same_share(again, repeating, found)
        assert same_share(kept, found - new, before)
        assert same_share(strict, stayed, before)


@pytest.mark.parametrize("first", [dt.date(2009, 12, 1), dt.date(2010, 10, 1)])
async def test_who_brings_the_best_friends(read: Read, ask: Ask, first: dt.date) -> None:
    answer = await read("top-referrers", first, limit=20)
    for currency in ("EUR", "GBP"):
        expected = ask(
            f"""
            SELECT currency, code, referrer, partner, count(DISTINCT friend) AS friends,
                count(DISTINCT friend) FILTER (WHERE status = 'rewarded') AS rewarded, count(*), sum(kept) AS turnover
              FROM claim JOIN bought ON customer = friend
             WHERE {COUNTING} AND claimed_at >= ? AND claimed_at < '2011-12-10' AND currency = ?
             GROUP BY ALL ORDER BY rewarded DESC, turnover DESC, code LIMIT 20""",
            first, currency,
        )  # fmt: skip
        found = [row for row in answer.findings.rows if row[0] == currency]
        assert [row[:8] for row in found] == expected
        assert all(float(row[8]) == pytest.approx(float(row[7]) / row[4], abs=0.0051) for row in found)

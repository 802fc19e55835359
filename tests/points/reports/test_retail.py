"""Each report on two years of real invoices, against an independent question to DuckDB on the same files."""

import datetime as dt
from decimal import Decimal

import pytest

from tests.points.reports.conftest import Read
from tests.retail import Ask, same_share

ACTIVE = """
WITH active AS (SELECT DISTINCT customer, date_trunc('month', sold_at) AS month FROM bought),
  arrived AS (SELECT customer, min(month) AS month FROM active GROUP BY customer),
  month AS (SELECT unnest(range(timestamp '2009-12-01', timestamp '2012-01-01', interval 1 month)) AS month)
SELECT strftime(month, '%Y-%m'),
    (SELECT count(*) FROM active a WHERE a.month = m.month - interval 1 month) AS s,
    (SELECT count(*) FROM active a WHERE a.month = m.month) AS e,
    (SELECT count(*) FROM arrived a WHERE a.month = m.month) AS n,
    (SELECT count(*) FROM active a SEMI JOIN active b ON a.customer = b.customer AND b.month = a.month - interval 1 month
      WHERE a.month = m.month) AS kept
  FROM month m ORDER BY month"""


async def test_the_files_are_those_that_the_readme_describes(ask: Ask) -> None:
    counts = ask(
        "SELECT count(*), count(DISTINCT customer), sum(total), sum(base) FROM sale WHERE customer IS NOT NULL"
    )
    assert counts == [(36_969, 5_878, Decimal("17431533.1780"), 17_414_139)]


async def test_rule_32_retention(read: Read, ask: Ask) -> None:
    answer = await read("retention")
    for row, (month, before, active, new, kept) in zip(answer.findings.rows, ask(ACTIVE), strict=True):
        assert row[:5] == (month, before, active, new, kept)
        assert same_share(row[5], active - new, before)
        assert same_share(row[6], kept, before)


async def test_rule_32_churn_is_what_retention_leaves(read: Read, ask: Ask) -> None:
    answer = await read("churn")
    for row, (month, before, active, new, kept) in zip(answer.findings.rows, ask(ACTIVE), strict=True):
        assert row[:4] == (month, before, active - new, before - kept)
        assert same_share(row[4], before - (active - new), before)
        assert same_share(row[5], before - kept, before)


async def test_active_customers(read: Read, ask: Ask) -> None:
    answer = await read("active-customers")
    members = ask("""
        WITH enrolled AS (SELECT customer, min(sold_at) AS sold_at FROM sale WHERE customer IS NOT NULL GROUP BY customer)
        SELECT (SELECT count(*) FROM enrolled WHERE sold_at < m + interval 1 month)
          FROM unnest(range(timestamp '2009-12-01', timestamp '2012-01-01', interval 1 month)) AS t(m) ORDER BY m""")
    for row, (month, _, active, new, kept), (enrolled,) in zip(answer.findings.rows, ask(ACTIVE), members, strict=True):
        assert row[:6] == (month, active, new, kept, active - new - kept, enrolled)
        assert same_share(row[6], active, enrolled)


@pytest.mark.parametrize(("period", "shop"), [("month", None), ("quarter", "london"), ("year", None)])
async def test_cohorts(read: Read, ask: Ask, period: str, shop: str | None) -> None:
    narrowing = {} if shop is None else {"shop_id": shop}
    answer = await read("cohorts", period=period, **narrowing)
    months = {"month": 1, "quarter": 3, "year": 12}[period]
    expected = ask(
        f"""
        WITH mine AS (SELECT customer, date_trunc('{period}', sold_at) AS p FROM bought WHERE coalesce(shop = ?, true)),
          arrived AS (SELECT customer, min(p) AS cohort FROM mine GROUP BY customer)
        SELECT cohort, datediff('month', cohort, p) // {months} AS since, count(DISTINCT customer) AS active
          FROM mine JOIN arrived USING (customer) GROUP BY ALL ORDER BY ALL""",
        shop,
    )
    sizes = {cohort: active for cohort, since, active in expected if since == 0}
    found = [row[1:4] for row in answer.findings.rows if row[3]]
    assert found == [(since, sizes[cohort], active) for cohort, since, active in expected]
    assert all(same_share(row[4], row[3], row[2]) for row in answer.findings.rows)


async def test_turnover_keeps_currencies_apart_and_shows_refunds(read: Read, ask: Ask) -> None:
    answer = await read("turnover")
    expected = ask("""
        SELECT strftime(sold_at, '%Y-%m') AS month, currency, count(*) FILTER (WHERE refunded < total), sum(total), sum(refunded),
            sum(total - refunded), sum(total - refunded) FILTER (WHERE customer IS NOT NULL) AS members
          FROM sale GROUP BY month, currency ORDER BY currency, month""")
    assert [row[:7] for row in answer.findings.rows] == expected
    assert {row[1] for row in answer.findings.rows} == {"EUR", "GBP"}
    assert all(same_share(row[7], row[6], row[5]) for row in answer.findings.rows)


async def test_average_order_value_is_net_of_refunds(read: Read, ask: Ask) -> None:
    answer = await read("average-order-value", period="quarter", currency="GBP")
    expected = ask("""
        SELECT count(*), sum(total - refunded), round(avg(total - refunded), 2),
            round(avg(total - refunded) FILTER (WHERE customer IS NOT NULL), 2),
            round(avg(total - refunded) FILTER (WHERE customer IS NULL), 2)
          FROM sale WHERE refunded < total AND currency = 'GBP'
         GROUP BY date_trunc('quarter', sold_at) ORDER BY date_trunc('quarter', sold_at)""")
    assert [row[2:4] for row in answer.findings.rows] == [row[:2] for row in expected]
    for row, averages in zip(answer.findings.rows, expected, strict=True):
        assert [float(each) for each in row[4:7]] == pytest.approx(averages[2:], abs=0.0051)


async def test_repeat_rate_of_a_range(read: Read, ask: Ask) -> None:
    first, end = dt.date(2010, 6, 1), dt.date(2011, 3, 1)
    answer = await read("repeat-rate", first, end)
    ((customers, repeating, purchases, firsts),) = ask(
        """
        WITH mine AS (SELECT customer, count(*) AS n FROM bought WHERE sold_at >= ? AND sold_at < ? GROUP BY customer),
          arrived AS (SELECT customer, min(sold_at) AS sold_at FROM bought GROUP BY customer)
        SELECT count(*), count(*) FILTER (WHERE n >= 2), sum(n)::bigint,
            (SELECT count(*) FROM arrived WHERE sold_at >= ? AND sold_at < ?) FROM mine""",
        first, end, first, end,
    )  # fmt: skip
    summary = answer.summary()
    assert (summary["customers"], summary["repeat_customers"], summary["purchases"]) == (
        customers,
        repeating,
        purchases,
    )
    assert summary["repeat_purchases"] == purchases - firsts
    assert same_share(summary["repeat_rate"], repeating, customers)
    assert sum(row[1] for row in answer.findings.rows) == customers


async def test_time_between_purchases(read: Read, ask: Ask) -> None:
    answer = await read("purchase-intervals")
    gaps = """
        WITH gap AS (SELECT epoch(sold_at - lag(sold_at) OVER (PARTITION BY customer ORDER BY sold_at)) / 86400 AS days FROM bought)"""
    ((count, median, mean),) = ask(
        f"{gaps} SELECT count(days), quantile_disc(floor(days), 0.5), avg(days) FROM gap WHERE days IS NOT NULL"
    )
    month = ask(f"{gaps} SELECT count(*) FROM gap WHERE floor(days) BETWEEN 15 AND 30")[0][0]
    assert answer.summary() == {"intervals": count, "median_days": median, "mean_days": round(mean, 1)}
    # DuckDB counts by the clock on the wall, which summer time moves by an hour
    assert {row[0]: row[1] for row in answer.findings.rows}["15 to 30"] == pytest.approx(month, abs=2)
    assert answer.findings.rows[-1][3] == 100


async def test_lifetime_value_of_each_currency(read: Read, ask: Ask) -> None:
    answer = await read("lifetime-value", first=dt.date(2010, 1, 1), end=dt.date(2011, 10, 1))
    expected = ask("""
        WITH mine AS (SELECT * FROM bought WHERE sold_at < '2011-10-01'),
          active AS (SELECT currency, customer, date_trunc('quarter', sold_at) AS q, sum(kept) AS kept FROM mine
            WHERE sold_at >= '2010-01-01' GROUP BY ALL),
          stayed AS (SELECT currency, count(*) AS n FROM active a SEMI JOIN active b ON a.currency = b.currency
            AND a.customer = b.customer AND b.q = a.q + interval 3 month GROUP BY currency)
        SELECT currency, count(DISTINCT customer), count(*), sum(kept), sum(kept) / count(DISTINCT customer),
            (SELECT sum(kept) / count(*) FROM active a WHERE a.currency = mine.currency) AS value,
            (SELECT n FROM stayed s WHERE s.currency = mine.currency)
              / (SELECT count(*) FROM active a WHERE a.currency = mine.currency AND q < '2011-07-01') AS kept_share
          FROM mine GROUP BY currency ORDER BY currency""")
    for row, (currency, customers, purchases, turnover, historical, value, kept) in zip(
        answer.findings.rows, expected, strict=True
    ):
        assert row[:4] == (currency, customers, purchases, turnover)
        assert float(row[4]) == pytest.approx(historical, abs=0.006)
        assert float(row[5]) == pytest.approx(value, abs=0.006)
        assert same_share(row[6], kept, 1)
        assert float(row[7]) == pytest.approx(value * kept / (1.1**0.25 - kept), abs=0.01)


async def test_best_customers_of_each_currency(read: Read, ask: Ask) -> None:
    answer = await read("best-customers", dt.date(2011, 1, 1), limit=5)
    for currency in ("EUR", "GBP"):
        expected = ask(
            """
            SELECT currency, customer, count(*), sum(kept) AS kept, min(sold_at)::date, max(sold_at)::date FROM bought
             WHERE sold_at >= '2011-01-01' AND currency = ? GROUP BY ALL ORDER BY kept DESC, customer LIMIT 5""",
            currency,
        )
        assert [row for row in answer.findings.rows if row[0] == currency] == expected


async def test_points_issued_and_outstanding(read: Read, ask: Ask) -> None:
    answer = await read("points")
    expected = ask("""
        WITH moved AS (
            SELECT sold_at, points AS issued, 0 AS taken FROM sale WHERE customer IS NOT NULL
            UNION ALL SELECT sold_at + interval 10 day, 0, floor(total - refunded)::bigint - base FROM sale
             WHERE customer IS NOT NULL)
        SELECT m, sum(issued) FILTER (WHERE sold_at >= m)::bigint, sum(taken) FILTER (WHERE sold_at >= m)::bigint,
            sum(issued + taken)::bigint
          FROM range(timestamp '2009-12-01', timestamp '2012-01-01', interval 1 month) AS t(m)
          JOIN moved ON sold_at < least(m + interval 1 month, timestamp '2011-12-10') GROUP BY m ORDER BY m""")
    names = ("issued", "clawed_back", "outstanding")
    assert [tuple(record[name] for name in names) for record in answer.records()] == [row[1:] for row in expected]


async def test_what_campaigns_gave(read: Read, ask: Ask) -> None:
    answer = await read("campaigns", dt.date(2011, 1, 1))
    expected = ask("""
        SELECT 'Spring', 'campaign', currency, count(*), count(DISTINCT customer), (count(*) * 50)::bigint, sum(kept)
          FROM bought WHERE bonus AND sold_at >= '2011-01-01' GROUP BY currency ORDER BY currency""")
    assert [row[:7] for row in answer.findings.rows] == expected


async def test_to_whom_a_campaign_gave(read: Read, ask: Ask) -> None:
    answer = await read("campaign-customers", rule="Spring", currency="GBP", limit=10)
    expected = ask("""
        SELECT 'Spring', currency, customer, count(*) AS awards, (awards * 50)::bigint, sum(kept) FROM bought
         WHERE bonus AND currency = 'GBP' GROUP BY ALL ORDER BY awards DESC, customer LIMIT 10""")
    assert [tuple(row) for row in answer.findings.rows] == expected
    assert not (await read("campaign-customers", rule="Autumn")).findings.rows


REPEATS = """
WITH ordered AS (
    SELECT *, promoted OR bonus AS offered,
        row_number() OVER (PARTITION BY customer ORDER BY sold_at, promoted OR bonus DESC) AS place,
        min(sold_at) OVER (PARTITION BY customer) AS arrived FROM bought)
SELECT {by}, count(DISTINCT customer) AS customers, count(*) AS repeats, count(*) FILTER (WHERE NOT offered) AS without
  FROM ordered WHERE place > 1 AND sold_at >= '2010-06-01' GROUP BY ALL"""


async def test_rule_33_loyal_or_there_for_the_offers_by_cohort(read: Read, ask: Ask) -> None:
    answer = await read("offer-dependence", dt.date(2010, 6, 1))
    by = "CASE WHEN arrived < '2010-06-01' THEN 'before 2010-06' ELSE strftime(arrived, '%Y-%m') END AS cohort"
    expected = sorted(ask(REPEATS.format(by=by)), key=lambda row: (not row[0].startswith("before"), row[0]))
    assert [row[:4] for row in answer.findings.rows] == expected
    assert all(same_share(row[4], row[3], row[2]) for row in answer.findings.rows)
    assert answer.summary()["repeat_purchases"] == sum(row[2] for row in expected)


async def test_rule_33_loyal_or_there_for_the_offers_by_customer(read: Read, ask: Ask) -> None:
    answer = await read("offer-dependence-of-customers", dt.date(2010, 6, 1), limit=10_000)
    expected = {row[0]: row[2:] for row in ask(REPEATS.format(by="customer"))}
    assert {row[0]: row[2:4] for row in answer.findings.rows} == expected
    loyal = sum(repeats == without for repeats, without in expected.values())
    assert (await read("offer-dependence", dt.date(2010, 6, 1))).summary()["loyal"] == loyal


async def test_what_became_of_points(read: Read, ask: Ask) -> None:
    records = (await read("breakage", period="year")).records()
    issued = ask(
        "SELECT sum(points)::bigint FROM sale WHERE customer IS NOT NULL GROUP BY year(sold_at) ORDER BY year(sold_at)"
    )
    assert [record["issued"] for record in records] == [each for (each,) in issued]
    for record in records:
        assert record["used"] + record["expired"] + record["held"] == record["issued"]
        assert same_share(record["breakage"], record["expired"], record["issued"])


async def test_points_outstanding_cost_what_is_said(read: Read) -> None:
    answer = await read("liability", cost_per_point=Decimal("0.01"))
    summary = answer.summary()
    assert [row[0] for row in answer.findings.rows] == ["2012-06"]
    assert summary["liability"] == summary["available"] * Decimal("0.01") > 0

"""The page at `/`: what is there, how the books stand, and what to try first."""

from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, select_autoescape

from services.notifications.channels.file_outbox import INDEX
from services.notifications.service import NotificationsService
from services.notifications.summary import told
from services.points.service import PointsService
from services.points.summary import campaign_gifts, tier_counts
from services.referrals.service import ReferralsService
from services.referrals.summary import recommended
from services.registry import NOTIFICATIONS, POINTS, REFERRALS, AllSettings
from services.running import Opened
from shared.database import fetch

FIGURES = """
SELECT (SELECT count(*) FROM account) AS accounts,
  (SELECT count(*) FROM purchase WHERE status = 'booked') AS purchases,
  (SELECT coalesce(sum(available), 0)::bigint FROM account WHERE available > 0) AS outstanding,
  (SELECT count(*) FROM (SELECT FROM outbox LIMIT 100000) o) AS waiting,
  (SELECT count(*) FROM dead_letter WHERE status = 'open') AS dead_letters,
  EXISTS (SELECT FROM api_key) AS guarded"""

PURCHASE = (
    '{"shop_id": "webshop-de", "invoice_number": "R-1", "customer_id": "c-42", "currency": "EUR", "total": "119.00"}'
)
JSON = "-H 'Content-Type: application/json'"
CODE = '{"customer_id": "c-42", "vanity": "SHOP-WITH-KIM"}'
CLAIM = '{"code": "SHOP-WITH-KIM", "customer_id": "c-43"}'

KEY = '-H "Authorization: Bearer $LOYALTY_KEY"'


def commands(base: str, *, guarded: bool) -> list[tuple[str, str]]:
    """Return what a newcomer tries first, as it is typed."""
    curl = f"curl -s {KEY}" if guarded else "curl -s"
    return [
        ("Book a purchase and see what it earned", f"{curl} {base}/points/v1/purchases {JSON} -d '{PURCHASE}'"),
        ("See the customer's account", f"{curl} {base}/points/v1/accounts/c-42"),
        ("Read the statement", f"{curl} {base}/points/v1/accounts/c-42/entries"),
        ("Give the customer a code to recommend you with", f"{curl} {base}/referrals/v1/codes {JSON} -d '{CODE}'"),
        (
            "Claim it for a friend, who gets points with their first purchase",
            f"{curl} {base}/referrals/v1/claims {JSON} -d '{CLAIM}'",
        ),
    ]


PAGE = Environment(autoescape=select_autoescape(default=True)).from_string(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Loyalty</title>
<style>
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6675; --paper: #fbfaf7; --card: #fff; --line: #e4e0d8; --accent: #0b6e4f }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e9e6df; --soft: #a2a9b4; --paper: #14181d; --card: #1c2229; --line: #303842; --accent: #5fd0a5 }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
main { max-width: 52rem; margin: 0 auto; padding: 3rem 1.25rem 4rem }
h1 { font-size: 2.2rem; margin: 0 0 .25rem; letter-spacing: -.02em }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .75rem }
p.lead { color: var(--soft); margin: 0 0 2rem }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 0 }
dl div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .9rem 1rem }
dt { color: var(--soft); font-size: .85rem } dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .9rem 1rem; overflow-x: auto; margin: .25rem 0 1rem;
  white-space: pre-wrap; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100% } td, th { text-align: right; padding: .35rem .6rem; border-bottom: 1px solid var(--line) }
td:first-child, th:first-child { text-align: left } th { color: var(--soft); font-weight: normal; font-size: .85rem }
code { font: .875rem/1.5 ui-monospace, monospace } a { color: var(--accent) } li { margin: .3rem 0 }
</style>
</head>
<body><main>
<h1>Loyalty</h1>
<p class="lead">Points for purchases, in a ledger that can be trusted, rewards for recommending, and the right message at the right time. This process runs {{ services[:-1] | join(", ") }} and {{ services[-1] }}{{ ", with Kafka" if kafka else "" }}.</p>
<dl>
{% for name, figure in figures %}<div><dt>{{ name }}</dt><dd>{{ "{:,}".format(figure) }}</dd></div>
{% endfor %}</dl>
{% if tiers %}<h2>Tiers</h2>
<dl>
{% for name, customers in tiers.items() %}<div><dt>{{ name }}</dt><dd>{{ "{:,}".format(customers) }}</dd></div>
{% endfor %}</dl>{% endif %}
{% if campaigns %}<h2>Campaigns</h2>
<table><tr><th>Campaign<th>Customers<th>Awards<th>Points</tr>
{% for each in campaigns %}<tr><td>{{ each.campaign }}<td>{{ "{:,}".format(each.customers) }}<td>{{ "{:,}".format(each.awards) }}<td>{{ "{:,}".format(each.points) }}</tr>
{% endfor %}</table>{% endif %}
{% if friends %}<h2>Customers who bring friends</h2>
<dl>
{% for name, figure in friends %}<div><dt>{{ name }}</dt><dd>{{ "{:,}".format(figure) }}</dd></div>
{% endfor %}</dl>{% endif %}
{% if messages %}<h2>Messages to customers</h2>
<dl>
{% for name, figure in messages %}<div><dt>{{ name }}</dt><dd>{{ "{:,}".format(figure) }}</dd></div>
{% endfor %}</dl>{% endif %}
<h2>Try this first</h2>
<ol>
{% for name, command in commands %}<li>{{ name }}<pre><code>{{ command }}</code></pre></li>
{% endfor %}</ol>
<h2>What is there</h2>
<ul>
{% for name in services %}<li>{{ name }}: <a href="/{{ name }}/docs">the API</a>, to read and to try;
<a href="/{{ name }}/openapi.json">OpenAPI</a> and <a href="/{{ name }}/asyncapi.json">AsyncAPI</a>, for your tools;
<a href="/{{ name }}/health/ready">health</a> and <a href="/{{ name }}/metrics">metrics</a>, for your operations</li>
{% endfor %}</ul>
<p>{% if kafka %}Events go to and come from Kafka at {{ kafka }}.{% else %}No broker is configured: events come in over
<code>POST /points/v1/events</code>; set <code>LOYALTY_KAFKA_BOOTSTRAP_SERVERS</code> to use Kafka.{% endif %}
<code>make demo</code> fills the books with real purchases.{% if outbox %} Mail to customers lies in <code>{{ outbox }}</code>, for your browser.{% endif %}</p>
<p>{% if guarded %}Requests carry an API key (<code>loyalty keys</code>); above it stands in <code>$LOYALTY_KEY</code>.{% else %}There
is no API key yet, so every program on this machine may ask for anything: <code>loyalty keys create NAME --scope SCOPE</code> ends that.{% endif %}</p>
</main></body>
</html>
"""
)


async def _friends(services: Sequence[Opened[Any]]) -> list[tuple[str, int]]:
    """Return what came of recommendations; nothing is shown before the first friend."""
    referrals: ReferralsService = next(each.service for each in services if each.kind is REFERRALS)
    async with referrals.engine.connect() as connection:
        totals = (await recommended(connection, top=0)).totals
    if not totals["friends"]:
        return []
    names = {"referrers": "Recommend", "friends": "Friends", "buyers": "Bought", "points": "Points for it"}
    return [(name, totals[figure]) for figure, name in names.items()]


async def _messages(services: Sequence[Opened[Any]]) -> list[tuple[str, int]]:
    """Return what customers were told; nothing is shown before the first message."""
    notifications: NotificationsService = next(each.service for each in services if each.kind is NOTIFICATIONS)
    async with notifications.engine.connect() as connection:
        sums = await told(connection)
    if not sums.messages:
        return []
    names = {"sent": "Sent", "planned": "Planned", "suppressed": "Kept back"}
    figures = [(name, sum(row[figure] for row in sums.messages)) for figure, name in names.items()]
    return [*figures, ("Coupons of occasions", sum(sums.coupons.values()))]


async def start_page(services: Sequence[Opened[Any]], settings: AllSettings) -> str:
    """Return the page with today's figures."""
    points: PointsService = next(each.service for each in services if each.kind is POINTS)
    async with points.engine.connect() as connection:
        row = (await fetch(connection, FIGURES))[0]
        programme = (await points.ledger.versions(connection)).at(points.clock()).programme
        tiers = await tier_counts(connection, programme.tiers)
        campaigns = await campaign_gifts(connection)
    base = f"http://{settings.host}:{settings.port}"
    return PAGE.render(
        figures=[
            ("Customers", row["accounts"]),
            ("Purchases", row["purchases"]),
            ("Points outstanding", row["outstanding"]),
            ("Events waiting", row["waiting"]),
            ("Dead letters", row["dead_letters"]),
        ],
        services=[each.kind.name for each in services],
        tiers=tiers,
        campaigns=campaigns,
        friends=await _friends(services),
        messages=await _messages(services),
        outbox=settings.outbox_folder and (settings.outbox_folder / INDEX).resolve(),
        commands=commands(base, guarded=row["guarded"]),
        guarded=row["guarded"],
        kafka=settings.kafka_bootstrap_servers,
    )

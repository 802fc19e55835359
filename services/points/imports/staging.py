"""The rows of all files side by side in a private database on disk: grouped, matched, and given back in order.

What is staged is thrown away with the process, so no journal is kept, and no more of it is in memory than its cache.
"""

import heapq
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, Self

import orjson

from services.points.imports.lines import Line

CACHE_KIB = 64 << 10
MOST_LINES = 2_000
"""Of the contract: an event may have so many lines."""

SCHEMA = f"""
PRAGMA page_size = 16384; PRAGMA cache_size = -{CACHE_KIB};
PRAGMA journal_mode = off; PRAGMA synchronous = off; PRAGMA locking_mode = exclusive;
CREATE TABLE line (shop_id TEXT, invoice_number TEXT, file INTEGER, line INTEGER, customer_id TEXT, currency TEXT,
  occurred_at INTEGER, sku TEXT, category TEXT, quantity INTEGER, amount INTEGER, cancelled INTEGER, refunds_invoice TEXT,
  record BLOB, PRIMARY KEY (shop_id, invoice_number, file, line)) WITHOUT ROWID;
CREATE TABLE damaged (shop_id TEXT, invoice_number TEXT, reason TEXT, PRIMARY KEY (shop_id, invoice_number)) WITHOUT ROWID;
"""

ADD = "INSERT INTO line VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ADD_DAMAGED = "INSERT OR IGNORE INTO damaged VALUES (?, ?, ?)"

# An invoice in more than one file has each of its rows as often as the file has it that has it most often: files may
# overlap, or each hold a part, and equal rows in one file are real.
FORGET_REPEATED = """
DELETE FROM line WHERE (shop_id, invoice_number, file, line) IN (
  SELECT shop_id, invoice_number, file, line FROM (
    SELECT shop_id, invoice_number, file, line, row_number() OVER (
        PARTITION BY shop_id, invoice_number, customer_id, currency, occurred_at, sku, category, quantity, amount,
          refunds_invoice, occurrence ORDER BY file) AS copy
      FROM (SELECT *, row_number() OVER (
          PARTITION BY shop_id, invoice_number, file, customer_id, currency, occurred_at, sku, category, quantity, amount,
            refunds_invoice ORDER BY line) AS occurrence
        FROM line WHERE (shop_id, invoice_number) IN (
          SELECT shop_id, invoice_number FROM line GROUP BY 1, 2 HAVING min(file) < max(file))))
   WHERE copy > 1)"""

ANONYMOUS = "anonymous: no customer"
GROUP = f"""
CREATE TABLE invoice AS SELECT *, CASE
    WHEN damage IS NOT NULL THEN 'held back: another row of this invoice cannot be used: ' || damage
    WHEN first_customer <> customer_id THEN 'the invoice names more than one customer'
    WHEN first_currency <> currency THEN 'the invoice has more than one currency'
    WHEN customer_id IS NULL AND NOT refers THEN '{ANONYMOUS}'
    WHEN NOT cancelled AND total < 0 THEN 'the invoice comes to less than nothing'
    WHEN NOT cancelled AND articles > {MOST_LINES} THEN 'the invoice has more than {MOST_LINES} lines'
  END AS problem, total AS remaining
  FROM (SELECT l.shop_id, l.invoice_number, max(customer_id) AS customer_id, min(customer_id) AS first_customer,
      max(currency) AS currency, min(currency) AS first_currency, min(occurred_at) AS occurred_at, sum(amount) AS total,
      count(sku) AS articles, min(cancelled) AS cancelled, count(refunds_invoice) = count(*) AS refers,
      d.reason AS damage
    FROM line l LEFT JOIN damaged d ON d.shop_id = l.shop_id AND d.invoice_number = l.invoice_number
   GROUP BY l.shop_id, l.invoice_number);
CREATE INDEX invoice_in_order ON invoice (customer_id, occurred_at, shop_id, invoice_number);
CREATE UNIQUE INDEX invoice_by_number ON invoice (shop_id, invoice_number);
"""

# What was bought of articles that the same customer gave back at some time
HOLD = """
CREATE TABLE held AS
WITH given_back AS MATERIALIZED (
  SELECT DISTINCT i.customer_id, l.sku FROM invoice i JOIN line l USING (shop_id, invoice_number)
   WHERE i.cancelled AND i.problem IS NULL AND l.refunds_invoice IS NULL AND l.sku IS NOT NULL)
SELECT i.customer_id, l.sku, i.currency, i.occurred_at, i.shop_id, i.invoice_number, sum(l.quantity) AS quantity,
    sum(l.amount) AS paid
  FROM invoice i CROSS JOIN line l ON l.shop_id = i.shop_id AND l.invoice_number = i.invoice_number
 WHERE NOT i.cancelled AND i.problem IS NULL AND l.amount >= 0 AND (i.customer_id, l.sku) IN given_back
 GROUP BY i.shop_id, i.invoice_number, l.sku;
CREATE INDEX held_by_article ON held (customer_id, sku, occurred_at);
CREATE TABLE refund (customer_id TEXT, occurred_at INTEGER, cancelled_in TEXT, cancellation TEXT, position INTEGER,
  shop_id TEXT, invoice_number TEXT, currency TEXT, amount INTEGER, said INTEGER, sku TEXT, quantity INTEGER, place BLOB);
CREATE TABLE cancellation AS SELECT i.customer_id, i.occurred_at, i.shop_id, i.invoice_number, i.currency, l.sku, abs(l.quantity) AS quantity,
    abs(l.amount) AS amount, l.refunds_invoice, l.file, l.line, l.record
  FROM invoice i CROSS JOIN line l ON l.shop_id = i.shop_id AND l.invoice_number = i.invoice_number
 WHERE i.cancelled AND i.problem IS NULL
 ORDER BY i.customer_id, i.occurred_at, i.shop_id, i.invoice_number, l.file, l.line;
"""

CANCELLATIONS = "SELECT * FROM cancellation ORDER BY rowid"
MATCH = """
SELECT h.rowid, h.shop_id, h.invoice_number, min(h.paid, i.remaining) FROM held h JOIN invoice i USING (shop_id, invoice_number)
 WHERE h.customer_id = ? AND h.sku = ? AND h.occurred_at <= ? AND h.quantity >= ? AND h.currency = ?
 ORDER BY h.occurred_at DESC, h.invoice_number DESC LIMIT 1"""
TAKE_BACK = "UPDATE held SET quantity = quantity - ?, paid = paid - ? WHERE rowid = ?"
LOWER = "UPDATE invoice SET remaining = remaining - ? WHERE shop_id = ? AND invoice_number = ?"
ADD_REFUND = "INSERT INTO refund VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

# the key of `line` gives each invoice's lines as they stood
SALES = """
SELECT i.rowid, i.customer_id, i.occurred_at, i.shop_id, i.invoice_number, i.currency, i.total, l.sku, l.category, l.quantity,
    l.amount
  FROM invoice i CROSS JOIN line l ON l.shop_id = i.shop_id AND l.invoice_number = i.invoice_number
 WHERE NOT i.cancelled AND i.problem IS NULL
 ORDER BY i.customer_id, i.occurred_at, i.shop_id, i.invoice_number"""
REFUNDS = "SELECT * FROM refund ORDER BY customer_id, occurred_at, cancelled_in, cancellation, position"

REFUSED = """
SELECT i.problem, l.file, l.line, l.record FROM invoice i JOIN line l USING (shop_id, invoice_number)
 WHERE i.problem IS NOT NULL"""
ROWS = "SELECT file, line, record FROM line WHERE shop_id = ? AND invoice_number = ? ORDER BY file, line"
COUNT = """
SELECT (SELECT count(*) FROM invoice WHERE NOT cancelled AND problem IS NULL) + (SELECT count(*) FROM refund)"""


class Row(NamedTuple):
    """A row of a file, as it stood there; `file` is its place among the files, `line` where it begins."""

    file: int
    line: int
    fields: list[str]


class Sale(NamedTuple):
    """An invoice; each line is sku, category, quantity and amount. Numbers are ten-thousandths, times microseconds."""

    customer_id: str
    occurred_at: int
    shop_id: str
    invoice_number: str
    currency: str
    total: int
    lines: list[tuple[str | None, str | None, int | None, int]]


class TakenBack(NamedTuple):
    """A line of a cancellation and the invoice that it takes from; `said` is its own value, `amount` at most what was paid."""

    customer_id: str | None
    occurred_at: int
    cancelled_in: str
    cancellation: str
    position: int
    shop_id: str
    invoice_number: str
    currency: str
    amount: int
    said: int
    sku: str | None
    quantity: int | None
    place: bytes


class Staging:
    """A context manager; `add` everything, then `group`, then read."""

    def __enter__(self) -> Self:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(SCHEMA)
        self._database.execute("BEGIN")
        return self

    def __exit__(self, *_error: object) -> None:
        self._database.close()

    def add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add rows as `row_of` makes them."""
        self._database.executemany(ADD, rows)

    def hold_back(self, number: tuple[str, str], reason: str) -> None:
        """Keep an invoice out: with a row missing it would be booked with another total, and stay so for ever."""
        self._database.execute(ADD_DAMAGED, (*number, reason))

    def group(self, *, files: int) -> None:
        """Make invoices of the rows, and see what each is."""
        if files > 1:
            self._database.execute(FORGET_REPEATED)
        for statement in (GROUP + HOLD).split(";")[:-1]:
            self._database.execute(statement)

    def match(self) -> Iterator[tuple[str, Row]]:
        """Find for each line of a cancellation what it takes back; yields those that stay unmatched, and why."""
        for _, lines in groupby(self._database.execute(CANCELLATIONS), key=itemgetter(2, 3)):
            for position, line in enumerate(lines, 1):
                if not self._match(position, line):
                    yield _unmatched(line), Row(line[9], line[10], orjson.loads(line[11]))

    def _match(self, position: int, line: tuple[Any, ...]) -> bool:
        customer_id, at, shop_id, number, currency, sku, quantity, amount, refers, *place = line
        if refers is not None:
            found, said = (shop_id, refers), amount
        else:
            best = self._database.execute(MATCH, (customer_id, sku, at, quantity, currency)).fetchone()
            if best is None:
                return False
            rowid, found, said = best[0], best[1:3], amount
            amount = min(amount, best[3])
            self._database.execute(TAKE_BACK, (quantity, amount, rowid))
            self._database.execute(LOWER, (amount, *found))
        refund = (customer_id, at, shop_id, number, position, *found, currency, amount, said, sku, quantity)
        self._database.execute(ADD_REFUND, (*refund, orjson.dumps([*place[:2], orjson.loads(place[2])])))
        return True

    def count(self) -> int:
        """Return how many purchases and refunds there are to book."""
        found: int = self._database.execute(COUNT).fetchone()[0]
        return found

    def in_order(self) -> Iterator[Sale | TakenBack]:
        """Yield what is to be booked: by customer, then as it happened."""
        return heapq.merge(self._sales(), self._refunds(), key=_moment)

    def _sales(self) -> Iterator[Sale]:
        for _, rows in groupby(self._database.execute(SALES), key=itemgetter(0)):
            lines = list(rows)
            yield Sale._make((*lines[0][1:7], [line[7:] for line in lines]))

    def _refunds(self) -> Iterator[TakenBack]:
        return map(TakenBack._make, self._database.execute(REFUNDS))

    def refused(self) -> Iterator[tuple[str, Row]]:
        """Yield the rows of invoices that cannot be booked, and why."""
        for problem, file, line, record in self._database.execute(REFUSED):
            yield problem, Row(file, line, orjson.loads(record))

    def rows(self, item: Sale | TakenBack) -> Iterator[Row]:
        """Yield the rows that `item` was made of."""
        if isinstance(item, TakenBack):
            yield Row(*orjson.loads(item.place))
            return
        for file, line, record in self._database.execute(ROWS, (item.shop_id, item.invoice_number)):
            yield Row(file, line, orjson.loads(record))


def row_of(line: Line, file: int, fields: list[Any]) -> tuple[Any, ...]:
    """Return what `Staging.add` takes."""
    return (*line[:2], file, fields[-2], *line[2:], orjson.dumps(fields[:-2]))


def _moment(item: Sale | TakenBack) -> tuple[str, int, bool]:
    return item.customer_id or "", item.occurred_at, isinstance(item, TakenBack)


def _unmatched(line: tuple[Any, ...]) -> str:
    sku, quantity = line[5], line[6]
    if sku is None or quantity is None:
        return "unmatched: it names neither its invoice nor an article and a quantity"
    return "unmatched: no earlier invoice of this customer holds as many of this article that were not yet returned"

"""The tables of the notifications service."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from shared.answers import stored_answer_table
from shared.api_keys import api_key_table
from shared.audit import audit_table
from shared.erasures import erasure_table
from shared.jobs import job_run_table
from shared.messaging.tables import dead_letter_table, kafka_offset_table, outbox_sent_table, outbox_table

metadata = sa.MetaData(
    naming_convention={"ck": "%(table_name)s_%(constraint_name)s", "fk": "%(table_name)s_%(column_0_name)s_fkey"}
)

MONEY = sa.Numeric(18, 4)
INSTANT = sa.DateTime(timezone=True)

programme = sa.Table(
    "programme",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("valid_from", INSTANT, nullable=False),
    sa.Column("document", JSONB, nullable=False),
    sa.Column("published_at", INSTANT, nullable=False),
    sa.Column("published_by", sa.Text, nullable=False),
)

template = sa.Table(
    "template",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("document", JSONB, nullable=False),
    sa.Column("saved_at", INSTANT, nullable=False),
    sa.Column("saved_by", sa.Text, nullable=False),
    comment="the newest version of a name holds",
)

customer = sa.Table(
    "customer",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("event_sequence", sa.BigInteger, nullable=False, server_default="0", comment="of the last event"),
    sa.Column("salutation", sa.Text),
    sa.Column("given_name", sa.Text),
    sa.Column("family_name", sa.Text),
    sa.Column("language", sa.Text),
    sa.Column("time_zone", sa.Text),
    sa.Column("birthday", sa.Date),
    sa.Column("birthday_entered_on", sa.Date, comment="or last changed"),
    sa.Column("joined_on", sa.Date),
    sa.Column("email", sa.Text),
    sa.Column("phone", sa.Text),
    sa.Column("preferred_channel", sa.Text),
    sa.Column("preferences", JSONB, nullable=False, server_default="{}"),
    sa.Column("profile_at", INSTANT, comment="the latest word on the profile, by when it was said"),
    sa.Column("tier", sa.Text),
    sa.Column("available", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("pending", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("points_sequence", sa.BigInteger, nullable=False, server_default="0", comment="of points' last event"),
    sa.Column("tier_sequence", sa.BigInteger, nullable=False, server_default="0", comment="of the one that said it"),
    sa.Column(
        "digest_sequence",
        sa.BigInteger,
        nullable=False,
        server_default="0",
        comment="of points' last event that a digest counts",
    ),
    sa.Column("purchases", sa.Integer, nullable=False, server_default="0"),
    sa.Column(
        "turnover", MONEY, nullable=False, server_default="0", comment="in the programme's currency, less refunds"
    ),
    sa.Column("first_purchase_at", INSTANT),
    sa.Column("last_purchase_at", INSTANT),
    sa.Column("merged_into", sa.Text, comment="the customer that this one goes on as"),
    sa.Column("erased_at", INSTANT),
    sa.CheckConstraint("(birthday IS NULL) = (birthday_entered_on IS NULL)", name="birthday"),
    sa.Index("customer_merged", "merged_into", postgresql_where=sa.text("merged_into IS NOT NULL")),
    sa.Index("customer_birthday", sa.text("extract(month FROM birthday)"), sa.text("extract(day FROM birthday)")),
    sa.Index("customer_joined", sa.text("extract(month FROM joined_on)"), sa.text("extract(day FROM joined_on)")),
)

own_date = sa.Table(
    "own_date",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("date", sa.Date, nullable=False),
    sa.Column("entered_on", sa.Date, nullable=False, comment="or last changed"),
    sa.Index("own_date_day", "name", sa.text("extract(month FROM date)"), sa.text("extract(day FROM date)")),
    comment="days of a customer's own beside the birthday",
)

bought = sa.Table(
    "bought",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("category", sa.Text, primary_key=True),
    sa.Column("purchases", sa.Integer, nullable=False),
    sa.Column("last_at", INSTANT, nullable=False),
)

card = sa.Table(
    "card",
    metadata,
    sa.Column("card_number", sa.Text, primary_key=True),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Index("card_customer", "customer_id"),
)

segment = sa.Table(
    "segment",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("filter", JSONB, nullable=False),
    sa.Column("saved_at", INSTANT, nullable=False),
    sa.Column("saved_by", sa.Text, nullable=False),
)

consent = sa.Table(
    "consent",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("purpose", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    *(
        column
        for word in ("asked", "confirmed", "withdrawn")
        for column in (
            sa.Column(f"{word}_at", INSTANT),
            sa.Column(f"{word}_how", sa.Text),
            sa.Column(f"{word}_text", sa.Text, comment="what they agreed to, or no longer do"),
        )
    ),
    sa.CheckConstraint("state IN ('asked', 'given', 'withdrawn')", name="state"),
    sa.CheckConstraint("purpose IN ('offers', 'account')", name="purpose"),
)

address = sa.Table(
    "address",
    metadata,
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("soft_bounces", sa.Integer, nullable=False, server_default="0", comment="in a row"),
    sa.Column("bounced_at", INSTANT),
    sa.Column("complained_at", INSTANT),
    comment="where messages came back from; of all others there is no row",
)

notification = sa.Table(
    "notification",
    metadata,
    sa.Column("notification_id", sa.Uuid, primary_key=True, comment="made of customer, subject and reference"),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, comment="what it is about: a kind of message, or occasion:NAME"),
    sa.Column("reference", sa.Text, nullable=False, comment="which one of them: an event, a year"),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("happened_at", INSTANT, nullable=False),
    sa.Column("due_at", INSTANT, nullable=False, comment="not before"),
    sa.Column("until", INSTANT, comment="the first instant at which it means nothing any more"),
    sa.Column("day", sa.Date, comment="of an occasion: the local day it is about"),
    sa.Column("content", JSONB, nullable=False, server_default="{}", comment="what the template is told"),
    sa.Column("coupon_id", sa.Text),
    sa.Column("channel", sa.Text, comment="the one it was said on"),
    sa.Column("reason", sa.Text, comment="of a suppression or a failure, and what a planned one waits for"),
    sa.Column("said_at", INSTANT, comment="when it was requested: what counts for the frequency cap"),
    sa.CheckConstraint("status IN ('planned', 'requested', 'sent', 'suppressed', 'failed')", name="status"),
    sa.CheckConstraint("purpose IN ('offers', 'account', 'necessary')", name="purpose"),
    sa.CheckConstraint("(status IN ('requested', 'sent')) <= (said_at IS NOT NULL)", name="said"),
    sa.Index("notification_customer", "customer_id", "subject"),
    sa.Index("notification_season", "subject", "reference", "status", postgresql_where=sa.text("day IS NOT NULL")),
    sa.Index(
        "notification_digest",
        "customer_id",
        unique=True,
        postgresql_where=sa.text("status = 'planned' AND subject = 'points_digest'"),
    ),
    sa.Index("notification_due", "due_at", "notification_id", postgresql_where=sa.text("status = 'planned'")),
    sa.Index("notification_failed", "due_at", "notification_id", postgresql_where=sa.text("status = 'failed'")),
    sa.Index(
        "notification_said",
        "customer_id",
        "said_at",
        postgresql_where=sa.text("said_at IS NOT NULL AND purpose <> 'necessary'"),
    ),
)

sweep = sa.Table(
    "sweep",
    metadata,
    sa.Column("occasion", sa.Text, primary_key=True),
    sa.Column("season", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("programme_version", sa.Integer, nullable=False),
    sa.Column("began_at", INSTANT, nullable=False),
    sa.Column("passed", sa.Text, comment="the customer it has come to; none: all of them"),
    comment="how far the customers were gone through for a season of a campaign",
)

dispatch = sa.Table(
    "dispatch",
    metadata,
    sa.Column("notification_id", sa.Uuid, primary_key=True),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("address", sa.Text, comment="until it is over"),
    sa.Column("message", JSONB, comment="as it is sent each time, until it is over"),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", INSTANT, nullable=False),
    sa.Column("answer", sa.Text, comment="what the other side said last"),
    sa.Column("ended_at", INSTANT),
    sa.CheckConstraint("status IN ('waiting', 'sent', 'failed')", name="status"),
    sa.CheckConstraint("(status = 'waiting') = (ended_at IS NULL)", name="ended"),
    sa.CheckConstraint("(status = 'waiting') = (message IS NOT NULL)", name="message"),
    sa.Index("dispatch_customer", "customer_id"),
    sa.Index("dispatch_due", "channel", "due_at", postgresql_where=sa.text("status = 'waiting'")),
    comment="messages that we deliver ourselves",
)

hook = sa.Table(
    "hook",
    metadata,
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("secrets", sa.ARRAY(sa.Text), nullable=False, comment="all of them sign; the newest first"),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("ended", sa.Text, comment="what it said when it would take no more"),
    sa.Column("saved_at", INSTANT, nullable=False),
    sa.Column("saved_by", sa.Text, nullable=False),
)

coupon = sa.Table(
    "coupon",
    metadata,
    sa.Column("coupon_id", sa.Text, primary_key=True),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("code", sa.Text, unique=True, comment="none where it was void before it was heard of"),
    sa.Column("value", JSONB),
    sa.Column("titles", JSONB, nullable=False, server_default="{}"),
    sa.Column("categories", JSONB, nullable=False, server_default="[]", comment="only lines of these count; none: all"),
    sa.Column("stacks", sa.Boolean, nullable=False, server_default="false"),
    sa.Column("issued_at", INSTANT, nullable=False),
    sa.Column("valid_until", INSTANT, comment="the first instant at which it is over"),
    sa.Column("reservation", sa.Text, comment="the basket that has it"),
    sa.Column("reserved_until", INSTANT),
    sa.Column("shop_id", sa.Text),
    sa.Column("invoice_number", sa.Text),
    sa.Column("ended_at", INSTANT),
    sa.Column("reason", sa.Text),
    sa.Column("announced", sa.Boolean, nullable=False, server_default="false", comment="that it ends soon"),
    sa.CheckConstraint("origin IN ('reward', 'referral', 'pair', 'hand', 'occasion')", name="origin"),
    sa.CheckConstraint("status IN ('issued', 'reserved', 'redeemed', 'voided', 'expired')", name="status"),
    sa.CheckConstraint("(status = 'reserved') = (reserved_until IS NOT NULL)", name="reserved"),
    sa.CheckConstraint("(status = 'redeemed') <= (invoice_number IS NOT NULL)", name="redeemed"),
    sa.CheckConstraint("(code IS NULL) <= (status = 'voided')", name="code"),
    sa.Index("coupon_customer", "customer_id", "issued_at"),
    sa.Index("coupon_reservation", "reservation", postgresql_where=sa.text("reservation IS NOT NULL")),
    sa.Index("coupon_invoice", "shop_id", "invoice_number", postgresql_where=sa.text("invoice_number IS NOT NULL")),
    sa.Index(
        "coupon_over",
        "valid_until",
        "coupon_id",
        postgresql_where=sa.text("valid_until IS NOT NULL AND status IN ('issued', 'reserved')"),
    ),
    sa.Index(
        "coupon_unannounced",
        "valid_until",
        "coupon_id",
        postgresql_where=sa.text("valid_until IS NOT NULL AND status IN ('issued', 'reserved') AND NOT announced"),
    ),
)

coupon_use = sa.Table(
    "coupon_use",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("shop_id", sa.Text, primary_key=True),
    sa.Column("invoice_number", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("occurred_at", INSTANT, nullable=False),
    sa.Column("customer_id", sa.Text),
    sa.Column("amount", MONEY, comment="what it took off, as far as a basket tells"),
    sa.Column("reason", sa.Text, comment="of a conflict, or of a use that outlived its purchase"),
    sa.CheckConstraint("status IN ('redeemed', 'conflict', 'unknown', 'freed')", name="status"),
    sa.Index("coupon_use_invoice", "shop_id", "invoice_number"),
    sa.Index(
        "coupon_use_customer",
        "code",
        "customer_id",
        postgresql_where=sa.text("customer_id IS NOT NULL AND status = 'redeemed'"),
    ),
    comment="purchases that named a code: each once, whatever became of it",
)

shared_code = sa.Table(
    "shared_code",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("value", JSONB, nullable=False),
    sa.Column("titles", JSONB, nullable=False, server_default="{}"),
    sa.Column("categories", JSONB, nullable=False, server_default="[]", comment="only lines of these count; none: all"),
    sa.Column("stacks", sa.Boolean, nullable=False, server_default="false"),
    sa.Column("refund_frees", sa.Boolean, nullable=False, comment="whether a full refund makes room for another use"),
    sa.Column("most_uses", sa.BigInteger),
    sa.Column("most_amount", MONEY),
    sa.Column("currency", sa.Text, comment="of most_amount"),
    sa.Column("most_per_customer", sa.Integer),
    sa.Column("uses", sa.BigInteger, nullable=False, server_default="0", comment="redeemed and reserved"),
    sa.Column("amount", MONEY, nullable=False, server_default="0", comment="of these"),
    sa.Column("valid_from", INSTANT),
    sa.Column("valid_until", INSTANT, comment="the first instant at which it is over"),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("ended_at", INSTANT),
    sa.Column("reason", sa.Text, comment="why it was ended"),
    sa.CheckConstraint("uses >= 0 AND amount >= 0", name="used"),
    sa.CheckConstraint("uses <= most_uses", name="most_uses"),
    sa.CheckConstraint("amount <= most_amount", name="most_amount"),
    sa.CheckConstraint("(most_amount IS NULL) = (currency IS NULL)", name="currency"),
    comment="codes for everybody; their uses stand with those of all codes",
)

shared_reservation = sa.Table(
    "shared_reservation",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("reservation", sa.Text, primary_key=True, comment="the basket that it is kept for"),
    sa.Column("customer_id", sa.Text),
    sa.Column("amount", MONEY),
    sa.Column("reserved_until", INSTANT, nullable=False),
    sa.Index("shared_reservation_basket", "reservation"),
    sa.Index("shared_reservation_customer", "code", "customer_id"),
    sa.Index("shared_reservation_over", "reserved_until", "code"),
    comment="uses of shared codes that are kept for a basket; gone when it is paid, released or over",
)

sale = sa.Table(
    "sale",
    metadata,
    sa.Column("shop_id", sa.Text, primary_key=True),
    sa.Column("invoice_number", sa.Text, primary_key=True),
    sa.Column("total", MONEY, comment="none: only refunds have come"),
    sa.Column("refunded", MONEY, nullable=False, server_default="0"),
    sa.Column("customer_id", sa.Text, comment="as the purchase or the card says; none: nobody's until that is known"),
    sa.Column("card_number", sa.Text),
    sa.Column("currency", sa.Text),
    sa.Column("occurred_at", INSTANT),
    sa.Column("categories", JSONB, nullable=False, server_default="[]"),
    sa.Column(
        "is_turnover",
        sa.Boolean,
        nullable=False,
        server_default="false",
        comment="in the currency of the programme of its day",
    ),
    sa.Index("sale_customer", "customer_id", postgresql_where=sa.text("customer_id IS NOT NULL")),
    sa.Index(
        "sale_parked",
        "card_number",
        postgresql_where=sa.text("customer_id IS NULL AND card_number IS NOT NULL"),
    ),
    comment="purchases, and those of which only refunds have come",
)

refund = sa.Table(
    "refund",
    metadata,
    sa.Column("shop_id", sa.Text, primary_key=True),
    sa.Column("invoice_number", sa.Text, primary_key=True),
    sa.Column("refund_id", sa.Text, primary_key=True),
)

stored_answer = stored_answer_table(metadata, lasting="about coupons that were redeemed")

outbox = outbox_table(metadata)
outbox_sent = outbox_sent_table(metadata)
kafka_offset = kafka_offset_table(metadata)
dead_letter = dead_letter_table(metadata)

api_key = api_key_table(metadata)
audit = audit_table(metadata)
erasure = erasure_table(metadata)
job_run = job_run_table(metadata)

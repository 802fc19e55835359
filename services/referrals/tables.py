"""The tables of the referrals service; contact data stands in none of them but as a keyed hash."""

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

customer = sa.Table(
    "customer",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("event_sequence", sa.BigInteger, nullable=False, server_default="0", comment="of the last event"),
    sa.Column("first_purchase_at", INSTANT, comment="the earliest, by when it happened"),
    sa.Column("tier", sa.Text),
    sa.Column("email_hash", sa.LargeBinary),
    sa.Column("phone_hash", sa.LargeBinary),
    sa.Column("merged_into", sa.Text, comment="the customer that this one goes on as"),
    sa.Column("erased", sa.Boolean, nullable=False, server_default="false"),
    sa.Index("customer_merged", "merged_into", postgresql_where=sa.text("merged_into IS NOT NULL")),
    postgresql_with={"fillfactor": "80"},
)

card = sa.Table(
    "card",
    metadata,
    sa.Column("card_number", sa.Text, primary_key=True),
    sa.Column("customer_id", sa.Text, nullable=False),
)

purchase = sa.Table(
    "purchase",
    metadata,
    sa.Column("shop_id", sa.Text, primary_key=True),
    sa.Column("invoice_number", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("customer_id", sa.Text),
    sa.Column("card_number", sa.Text),
    sa.Column("occurred_at", INSTANT),
    sa.Column("currency", sa.Text),
    sa.Column("total", MONEY, nullable=False, server_default="0"),
    sa.Column("points_paid", MONEY, nullable=False, server_default="0"),
    sa.Column("amount", MONEY, nullable=False, server_default="0", comment="what of the total counts"),
    sa.Column("refunded", MONEY, nullable=False, server_default="0", comment="of the total"),
    sa.Column("taken_back", MONEY, nullable=False, server_default="0", comment="of the amount"),
    sa.Column("companion_id", sa.Text),
    sa.Column("referral_code", sa.Text),
    sa.CheckConstraint("status IN ('awaited', 'unclaimed', 'parked', 'booked')", name="status"),
    sa.CheckConstraint("status <> 'booked' OR customer_id IS NOT NULL", name="customer"),
    sa.CheckConstraint("refunded <= total OR status = 'awaited'", name="refunded"),
    sa.Index("purchase_customer", "customer_id", "occurred_at"),
    sa.Index("purchase_parked", "card_number", postgresql_where=sa.text("status = 'parked'")),
)

refund = sa.Table(
    "refund",
    metadata,
    sa.Column("shop_id", sa.Text, primary_key=True),
    sa.Column("invoice_number", sa.Text, primary_key=True),
    sa.Column("refund_id", sa.Text, primary_key=True),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("amount", MONEY, nullable=False),
    sa.Column("shipping", MONEY, nullable=False),
    sa.Column("gift_cards", MONEY, nullable=False),
    sa.Column("points_paid", MONEY, comment="none: the purchase's share"),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("arrival", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.CheckConstraint("status IN ('waiting', 'booked', 'refused')", name="status"),
)

code = sa.Table(
    "code",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("customer_id", sa.Text),
    sa.Column("partner_id", sa.Text),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("retired_at", INSTANT),
    sa.CheckConstraint("kind IN ('generated', 'vanity', 'partner')", name="kind"),
    sa.CheckConstraint("(customer_id IS NULL) <> (partner_id IS NULL)", name="owner"),
    sa.Index(
        "code_generated",
        "customer_id",
        unique=True,
        postgresql_where=sa.text("kind = 'generated' AND retired_at IS NULL"),
    ),
    sa.Index("code_partner", "partner_id", postgresql_where=sa.text("partner_id IS NOT NULL")),
    sa.Index(
        "code_vanity",
        "customer_id",
        unique=True,
        postgresql_where=sa.text("kind = 'vanity' AND retired_at IS NULL"),
    ),
)

share = sa.Table(
    "share",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("on", sa.Date, primary_key=True),
    sa.Column("shares", sa.BigInteger, nullable=False),
)

referral = sa.Table(
    "referral",
    metadata,
    sa.Column("referral_id", sa.Text, primary_key=True),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("friend_id", sa.Text, nullable=False),
    sa.Column("referrer_id", sa.Text),
    sa.Column("partner_id", sa.Text),
    sa.Column("programme_version", sa.Integer, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("claimed_at", INSTANT, nullable=False),
    sa.Column("received_at", INSTANT, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("address_hash", sa.LargeBinary),
    sa.Column("qualifies_until", INSTANT),
    sa.Column("review_until", INSTANT),
    sa.Column("shop_id", sa.Text),
    sa.Column("invoice_number", sa.Text),
    sa.Column("qualified_at", INSTANT),
    sa.Column("hold_until", INSTANT),
    sa.Column("round", sa.Integer, nullable=False, server_default="0"),
    sa.Column("decided_by", sa.Text),
    sa.Column("terms_version", sa.Integer, comment="of the partner's terms"),
    sa.Column("commissions_due_at", INSTANT, comment="the first hold of a commission is over then"),
    sa.Column("due_at", INSTANT, comment="nothing is to be done about it before"),
    sa.CheckConstraint("(partner_id IS NULL) = (terms_version IS NULL)", name="terms"),
    sa.CheckConstraint("status IN ('review', 'claimed', 'qualified', 'rewarded', 'rejected')", name="status"),
    sa.CheckConstraint("source IN ('rest', 'purchase', 'customer')", name="source"),
    sa.CheckConstraint("(status IN ('qualified', 'rewarded')) <= (invoice_number IS NOT NULL)", name="purchase"),
    sa.Index("referral_live", "friend_id", unique=True, postgresql_where=sa.text("status <> 'rejected'")),
    sa.Index("referral_friend", "friend_id", "claimed_at"),
    sa.Index("referral_referrer", "referrer_id", "received_at"),
    sa.Index("referral_partner", "partner_id", "received_at", postgresql_where=sa.text("partner_id IS NOT NULL")),
    sa.Index("referral_address", "address_hash", "received_at", postgresql_where=sa.text("address_hash IS NOT NULL")),
    sa.Index("referral_due", "due_at", "referral_id", postgresql_where=sa.text("due_at IS NOT NULL")),
    sa.Index("referral_status", "status", "received_at", "referral_id"),
)

reward = sa.Table(
    "reward",
    metadata,
    sa.Column("reward_id", sa.Text, primary_key=True),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("referral_id", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("benefit", JSONB, nullable=False),
    sa.Column("month", sa.Date, nullable=False, comment="whose cap it counts in"),
    sa.Column("decided_at", INSTANT, nullable=False),
    sa.Column("rung", sa.Integer, comment="of the ladder"),
    sa.CheckConstraint("side IN ('referrer', 'friend')", name="side"),
    sa.CheckConstraint("status IN ('held', 'given', 'cancelled', 'reversed', 'capped')", name="status"),
    sa.Index("reward_referral", "referral_id"),
    sa.Index("reward_customer", "customer_id", "month"),
)

offer = sa.Table(
    "offer",
    metadata,
    sa.Column("offer_id", sa.Text, primary_key=True),
    sa.Column("document", JSONB, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column(
        "reserved", sa.BigInteger, nullable=False, server_default="0", comment="pairs that were accepted and stand"
    ),
    sa.Column("retired_at", INSTANT),
    sa.CheckConstraint(
        "reserved >= 0 AND reserved <= coalesce((document ->> 'budget')::bigint, reserved)", name="reserved"
    ),
    comment="for two; its rows are locked after customers",
)

pair = sa.Table(
    "pair",
    metadata,
    sa.Column("pair_id", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("offer_id", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("referrer_id", sa.Text, nullable=False),
    sa.Column("friend_id", sa.Text),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("minimum", MONEY, nullable=False),
    sa.Column("days", sa.Integer, nullable=False),
    sa.Column("new_friends_only", sa.Boolean, nullable=False),
    sa.Column("benefit", JSONB, nullable=False),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("invited_at", INSTANT, nullable=False),
    sa.Column("expires_at", INSTANT, nullable=False),
    sa.Column("accepted_at", INSTANT),
    sa.Column("completed_at", INSTANT),
    sa.Column("referrer_shop_id", sa.Text),
    sa.Column("referrer_invoice_number", sa.Text),
    sa.Column("friend_shop_id", sa.Text),
    sa.Column("friend_invoice_number", sa.Text),
    sa.Column("round", sa.Integer, nullable=False, server_default="0"),
    sa.Column("reason", sa.Text),
    sa.CheckConstraint("kind IN ('joint_basket', 'each_buys')", name="kind"),
    sa.CheckConstraint("status IN ('invited', 'accepted', 'completed', 'expired', 'cancelled')", name="status"),
    sa.CheckConstraint("(status IN ('accepted', 'completed')) <= (accepted_at IS NOT NULL)", name="accepted"),
    sa.CheckConstraint("(accepted_at IS NOT NULL) <= (friend_id IS NOT NULL)", name="friend"),
    sa.CheckConstraint(
        "(status = 'completed') = (referrer_invoice_number IS NOT NULL AND friend_invoice_number IS NOT NULL)",
        name="purchases",
    ),
    sa.Index("pair_code", "code", unique=True),
    sa.Index("pair_number", "number", unique=True),
    sa.Index("pair_status", "status", "number"),
    sa.Index("pair_offer", "offer_id", "number"),
    sa.Index("pair_referrer", "referrer_id", "number"),
    sa.Index("pair_friend", "friend_id", "number", postgresql_where=sa.text("friend_id IS NOT NULL")),
    sa.Index("pair_due", "expires_at", "pair_id", postgresql_where=sa.text("status IN ('invited', 'accepted')")),
)

pair_reward = sa.Table(
    "pair_reward",
    metadata,
    sa.Column("reward_id", sa.Text, primary_key=True),
    sa.Column("pair_id", sa.Text, nullable=False),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("decided_at", INSTANT, nullable=False),
    sa.CheckConstraint("side IN ('referrer', 'friend')", name="side"),
    sa.CheckConstraint("status IN ('given', 'reversed')", name="status"),
    sa.Index("pair_reward_round", "pair_id", "side", "round", unique=True),
    comment="what each of a pair got: a row for every time that both did what was asked",
)

# What partners get. A line is never changed: what is taken back is another line.

partner = sa.Table(
    "partner",
    metadata,
    sa.Column("partner_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("event_sequence", sa.BigInteger, nullable=False, server_default="0", comment="of the last event"),
    sa.Column("line_number", sa.BigInteger, nullable=False, server_default="0", comment="of the last line"),
    sa.Column("paid", MONEY, nullable=False, server_default="0", comment="in all payouts"),
    sa.Column("paid_through", sa.Date, comment="the month of the last payout"),
    sa.Column("retired_at", INSTANT),
    postgresql_with={"fillfactor": "80"},
)

partner_terms = sa.Table(
    "partner_terms",
    metadata,
    sa.Column("partner_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("valid_from", INSTANT, nullable=False),
    sa.Column("document", JSONB, nullable=False),
    sa.Column("set_by", sa.Text, nullable=False),
)

commission = sa.Table(
    "commission",
    metadata,
    sa.Column("referral_id", sa.Text, primary_key=True),
    sa.Column("shop_id", sa.Text, primary_key=True),
    sa.Column("invoice_number", sa.Text, primary_key=True),
    sa.Column("partner_id", sa.Text, nullable=False),
    sa.Column("occurred_at", INSTANT, nullable=False),
    sa.Column("hold_until", INSTANT, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("amount", MONEY, nullable=False),
    sa.Column("sold", MONEY, nullable=False, comment="what counts of the sale"),
    sa.Column("refunded", MONEY, nullable=False, comment="of it"),
    sa.Column("round", sa.Integer, nullable=False, comment="the last in which it became due"),
    sa.Column("month", sa.Date, comment="of the statement with its last line"),
    sa.CheckConstraint("status IN ('held', 'due', 'reversed')", name="status"),
    sa.CheckConstraint("amount >= 0 AND (status = 'reversed') = (amount = 0)", name="amount"),
    sa.CheckConstraint("status <> 'due' OR month IS NOT NULL", name="month"),
    # of one sale one partner is paid at most
    sa.Index(
        "commission_sale", "shop_id", "invoice_number", unique=True, postgresql_where=sa.text("status <> 'reversed'")
    ),
    sa.Index("commission_partner", "partner_id", "occurred_at", "referral_id", "shop_id", "invoice_number"),
)

statement_line = sa.Table(
    "statement_line",
    metadata,
    sa.Column("partner_id", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("month", sa.Date, nullable=False),
    sa.Column("amount", MONEY, nullable=False),
    sa.Column("referral_id", sa.Text, nullable=False),
    sa.Column("shop_id", sa.Text, nullable=False),
    sa.Column("invoice_number", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("sold", MONEY, nullable=False, comment="what counted of the sale"),
    sa.Column("refunded", MONEY, nullable=False, comment="of it, when the line was written"),
    sa.Column("booked_at", INSTANT, nullable=False),
    sa.CheckConstraint("amount <> 0", name="amount"),
    sa.Index("statement_line_month", "partner_id", "month", "number"),
    sa.Index("statement_line_commission", "referral_id", "shop_id", "invoice_number"),
)

payout = sa.Table(
    "payout",
    metadata,
    sa.Column("partner_id", sa.Text, primary_key=True),
    sa.Column("month", sa.Date, primary_key=True),
    sa.Column("amount", MONEY, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("paid_at", INSTANT, nullable=False),
    sa.Column("paid_by", sa.Text, nullable=False),
    sa.CheckConstraint("amount > 0", name="amount"),
)

stored_answer = stored_answer_table(metadata, lasting="about rewards")

outbox = outbox_table(metadata)
outbox_sent = outbox_sent_table(metadata)
kafka_offset = kafka_offset_table(metadata)
dead_letter = dead_letter_table(metadata)

api_key = api_key_table(metadata)
audit = audit_table(metadata)
erasure = erasure_table(metadata)
job_run = job_run_table(metadata)

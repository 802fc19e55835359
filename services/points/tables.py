"""The tables of the points service; a customer's own tables begin their key with the customer id."""

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

account = sa.Table(
    "account",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("card_number", sa.Text, comment="none where the customer was erased"),
    sa.Column("status", sa.Text, nullable=False, server_default="active"),
    sa.Column("sequence", sa.BigInteger, nullable=False, server_default="0", comment="of the last entry"),
    sa.Column("event_sequence", sa.BigInteger, nullable=False, server_default="0", comment="of the last event"),
    sa.Column("available", sa.BigInteger, nullable=False, server_default="0", comment="below zero: a debt"),
    sa.Column("pending", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("lifetime_points", sa.BigInteger, nullable=False, server_default="0", comment="awards less clawbacks"),
    sa.Column("purchases", sa.BigInteger, nullable=False, server_default="0", comment="that were booked"),
    sa.Column("enrolled_at", INSTANT, nullable=False),
    sa.Column(
        "settled_under", sa.Integer, nullable=False, server_default="1", comment="the programme by which due_at holds"
    ),
    sa.Column("due_at", INSTANT, comment="nothing is due on the account before"),
    sa.Column("inactive_on", sa.Date, comment="the last day of points that end with inactivity"),
    sa.Column("inactivity_announced", sa.Boolean, nullable=False, server_default="false"),
    sa.Column("tier", sa.Text),
    sa.Column("tier_since", sa.Date),
    sa.Column("tier_review_on", sa.Date),
    sa.Column("tier_announced", sa.Boolean, nullable=False, server_default="false"),
    sa.Column("tier_floor", sa.Text, comment="given by hand"),
    sa.Column("tier_floor_until", sa.Date),
    sa.Column("merged_into", sa.Text, comment="the account that this one goes on in"),
    sa.Column("held", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("pool_id", sa.Text, comment="the household that it spends with"),
    sa.CheckConstraint("status IN ('active', 'blocked', 'closed', 'merged', 'erased')", name="status"),
    sa.CheckConstraint("pending >= 0", name="pending"),
    sa.CheckConstraint("held >= 0", name="held"),
    sa.CheckConstraint("(status = 'merged') = (merged_into IS NOT NULL)", name="merged"),
    sa.Index("account_due", "due_at", "customer_id", postgresql_where=sa.text("due_at IS NOT NULL")),
    sa.Index("account_settled", "settled_under", "customer_id", postgresql_where=sa.text("status <> 'merged'")),
    sa.Index("account_pool", "pool_id", postgresql_where=sa.text("pool_id IS NOT NULL")),
    sa.Index("account_merged", "merged_into", postgresql_where=sa.text("merged_into IS NOT NULL")),
    postgresql_with={"fillfactor": "70"},
)

card = sa.Table(
    "card",
    metadata,
    sa.Column("card_number", sa.Text, primary_key=True),
    sa.Column("customer_id", sa.Text, comment="none: purchases of this card wait for its owner"),
    sa.Column("issued_at", INSTANT, nullable=False),
)

card_serial = sa.Sequence("card_serial", data_type=sa.BigInteger, increment=100, maxvalue=999_999_900)

programme = sa.Table(
    "programme",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("valid_from", INSTANT, nullable=False),
    sa.Column("document", JSONB, nullable=False),
    sa.Column("published_at", INSTANT, nullable=False),
    sa.Column("published_by", sa.Text, nullable=False),
)

purchase = sa.Table(
    "purchase",
    metadata,
    sa.Column("shop_id", sa.Text, primary_key=True),
    sa.Column("invoice_number", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("customer_id", sa.Text),
    sa.Column("card_number", sa.Text),
    sa.Column("currency", sa.Text),
    sa.Column("total", MONEY),
    sa.Column("shipping", MONEY),
    sa.Column("gift_cards", MONEY),
    sa.Column("points_paid", MONEY),
    sa.Column("promoted", sa.Boolean, nullable=False, server_default="false", comment="said so, or with a coupon"),
    sa.Column("occurred_at", INSTANT),
    sa.Column("received_at", INSTANT, nullable=False),
    sa.Column("points", sa.BigInteger, nullable=False, server_default="0", comment="as awarded, before clawbacks"),
    sa.Column("entry_sequence", sa.BigInteger, comment="of the award and its lot; none where nothing was earned"),
    sa.Column("award", JSONB, comment="what every later clawback is computed from"),
    sa.Column("refunded", MONEY, nullable=False, server_default="0"),
    sa.Column(
        "refunded_eligible", MONEY, nullable=False, server_default="0", comment="the part that counts as earn base"
    ),
    sa.Column("refunded_points_paid", MONEY, nullable=False, server_default="0"),
    sa.Column("clawed_back", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("clawed_back_expired", sa.BigInteger, nullable=False, server_default="0", comment="had ended already"),
    sa.Column("redeemed", sa.BigInteger, nullable=False, server_default="0", comment="points that paid for it"),
    sa.Column(
        "unpaid", sa.BigInteger, nullable=False, server_default="0", comment="points that should have, and did not"
    ),
    sa.Column("restored", sa.BigInteger, nullable=False, server_default="0", comment="of those redeemed, by refunds"),
    sa.Column("settled", MONEY, nullable=False, server_default="0", comment="paid with points afterwards"),
    sa.Column("document", JSONB, comment="the purchase as it came, while it waits for its customer"),
    sa.Column("recorded_by", sa.Text, comment="the name of the API key that it came with"),
    sa.Column("sample", JSONB, comment="of about one in sixteen: what decides its points, nothing personal"),
    sa.CheckConstraint("status IN ('awaited', 'unclaimed', 'parked', 'booked')", name="status"),
    sa.CheckConstraint("status = 'awaited' OR total IS NOT NULL", name="known"),
    sa.CheckConstraint("refunded <= total", name="refunded"),
    sa.CheckConstraint("clawed_back BETWEEN 0 AND points", name="clawed_back"),
    sa.CheckConstraint("restored BETWEEN 0 AND redeemed", name="restored"),
    sa.Index("purchase_sample", "occurred_at", postgresql_where=sa.text("sample IS NOT NULL")),
    sa.Index("purchase_parked", "card_number", postgresql_where=sa.text("status = 'parked'")),
    sa.Index(
        "purchase_unsettled", "status", "shop_id", "invoice_number", postgresql_where=sa.text("status <> 'booked'")
    ),
    sa.Index(
        "purchase_claimable",
        "occurred_at",
        postgresql_where=sa.text("status = 'unclaimed' AND document IS NOT NULL"),
    ),
)

refund = sa.Table(
    "refund",
    metadata,
    sa.Column("shop_id", sa.Text, primary_key=True),
    sa.Column("invoice_number", sa.Text, primary_key=True),
    sa.Column("refund_id", sa.Text, primary_key=True),
    sa.Column("arrival", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("customer_id", sa.Text),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("amount", MONEY, nullable=False),
    sa.Column("shipping", MONEY, nullable=False),
    sa.Column("gift_cards", MONEY, nullable=False),
    sa.Column("points_paid", MONEY, comment="as it was said"),
    sa.Column("points_paid_part", MONEY, nullable=False, server_default="0", comment="as it was booked"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("occurred_at", INSTANT, nullable=False),
    sa.Column("received_at", INSTANT, nullable=False),
    sa.Column("points", sa.BigInteger, nullable=False, server_default="0", comment="clawed back by it"),
    sa.Column("points_expired", sa.BigInteger, nullable=False, server_default="0", comment="that had ended already"),
    sa.Column("entry_sequence", sa.BigInteger),
    sa.Column("refused_code", sa.Text, comment="why a refund that had waited was refused"),
    sa.CheckConstraint("status IN ('waiting', 'booked', 'refused')", name="status"),
    sa.Index("refund_waiting", "received_at", postgresql_where=sa.text("status = 'waiting'")),
)

entry = sa.Table(
    "entry",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("points", sa.BigInteger, nullable=False),
    sa.Column("available_after", sa.BigInteger, nullable=False),
    sa.Column("pending_after", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("occurred_at", INSTANT, nullable=False),
    sa.Column("recorded_at", INSTANT, nullable=False),
    sa.Column("held_after", sa.BigInteger, nullable=False, server_default="0"),
    sa.CheckConstraint(
        "kind IN ('award', 'activation', 'expiry', 'clawback', 'write_off', 'adjustment', 'transfer_out', 'transfer_in',"
        " 'hold', 'release', 'redemption', 'restoration', 'grant', 'revocation', 'erasure')",
        name="kind",
    ),
    sa.CheckConstraint("points <> 0", name="points"),
)

lot = sa.Table(
    "lot",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, comment="of the entry that brought the points"),
    sa.Column("points", sa.BigInteger, nullable=False),
    sa.Column("remaining", sa.BigInteger, nullable=False),
    sa.Column("pending", sa.Boolean, nullable=False, server_default="false"),
    sa.Column("available_at", INSTANT),
    sa.Column("expires_on", sa.Date, comment="the last local day on which they can be spent"),
    sa.Column("expires_at", INSTANT, comment="the instant at which that day is over"),
    sa.Column("lapses", sa.Boolean, nullable=False, server_default="false", comment="ends with inactivity"),
    sa.Column("expired", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("announced", sa.Boolean, nullable=False, server_default="false"),
    sa.Column("origin_customer_id", sa.Text, comment="of the lot that it was before a merge"),
    sa.Column("origin_sequence", sa.BigInteger),
    sa.Column("graced", sa.Boolean, nullable=False, server_default="false", comment="came back after its end, once"),
    sa.CheckConstraint("remaining BETWEEN 0 AND points", name="remaining"),
    sa.CheckConstraint("expired BETWEEN 0 AND points - remaining", name="expired"),
    sa.CheckConstraint("NOT pending OR available_at IS NOT NULL", name="pending"),
    sa.CheckConstraint("(expires_on IS NULL) = (expires_at IS NULL)", name="expires"),
    postgresql_with={"fillfactor": "90"},
)

allocation = sa.Table(
    "allocation",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("debit_sequence", sa.BigInteger, primary_key=True),
    sa.Column("lot_sequence", sa.BigInteger, primary_key=True),
    sa.Column("points", sa.BigInteger, nullable=False, comment="below zero: given back to the lot"),
    sa.CheckConstraint("points <> 0", name="points"),
)

redemption = sa.Table(
    "redemption",
    metadata,
    sa.Column("redemption_id", sa.Text, primary_key=True),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("points", sa.BigInteger, nullable=False, comment="as they were asked for"),
    sa.Column("sequence", sa.BigInteger, nullable=False, comment="of the entry that took them"),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("hold_until", INSTANT),
    sa.Column("held", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("captured", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("restored", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("shop_id", sa.Text),
    sa.Column("invoice_number", sa.Text),
    sa.Column("paid_purchase", sa.Boolean, nullable=False, server_default="false", comment="that purchase named it"),
    sa.Column("claim_id", sa.Text, comment="of the reward that it paid for"),
    sa.CheckConstraint("status IN ('held', 'captured', 'released', 'timed_out', 'reversed')", name="status"),
    sa.CheckConstraint("(status = 'held') = (held > 0)", name="held"),
    sa.CheckConstraint("held >= 0 AND captured >= 0 AND held + captured <= points", name="captured"),
    sa.CheckConstraint("restored BETWEEN 0 AND captured", name="restored"),
    sa.Index("redemption_held", "customer_id", postgresql_where=sa.text("held > 0")),
    sa.Index("redemption_of", "customer_id", "sequence"),
    sa.Index("redemption_paid", "shop_id", "invoice_number", postgresql_where=sa.text("paid_purchase")),
)

redemption_lot = sa.Table(
    "redemption_lot",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("redemption_id", sa.Text, primary_key=True),
    sa.Column("lot_sequence", sa.BigInteger, primary_key=True),
    sa.Column("held", sa.BigInteger, nullable=False),
    sa.Column("captured", sa.BigInteger, nullable=False),
    sa.Column("restored", sa.BigInteger, nullable=False),
    sa.CheckConstraint("held >= 0 AND captured >= 0 AND restored BETWEEN 0 AND captured", name="parts"),
)

settlement = sa.Table(
    "settlement",
    metadata,
    sa.Column("redemption_id", sa.Text, primary_key=True),
    sa.Column("shop_id", sa.Text, nullable=False),
    sa.Column("invoice_number", sa.Text, nullable=False),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("amount", MONEY, nullable=False),
    sa.Column("points", sa.BigInteger, nullable=False),
    sa.Column("occurred_at", INSTANT, nullable=False),
    sa.Column("clawed_back", sa.BigInteger, nullable=False),
    sa.Column("clawed_back_expired", sa.BigInteger, nullable=False, comment="had ended already"),
    sa.Column("entry_sequence", sa.BigInteger, comment="of the clawback"),
    sa.CheckConstraint("amount > 0 AND points > 0", name="amount"),
    sa.Index("settlement_of", "shop_id", "invoice_number"),
    comment="what was paid of a past purchase with points",
)

gift = sa.Table(
    "gift",
    metadata,
    sa.Column("gift_id", sa.Text, primary_key=True),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("recipient_id", sa.Text, nullable=False),
    sa.Column("points", sa.BigInteger, nullable=False),
    sa.Column("entry_sequence", sa.BigInteger, nullable=False, comment="of the giver's entry"),
    sa.Column("occurred_at", INSTANT, nullable=False),
    sa.CheckConstraint("points > 0", name="points"),
)

reward = sa.Table(
    "reward",
    metadata,
    sa.Column("reward_id", sa.Text, primary_key=True),
    sa.Column("document", JSONB, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("claimed", sa.BigInteger, nullable=False, server_default="0", comment="and not cancelled"),
    sa.Column("retired_at", INSTANT),
    sa.CheckConstraint("claimed >= 0 AND claimed <= coalesce((document ->> 'stock')::bigint, claimed)", name="claimed"),
    comment="the catalogue; after accounts and budgets its rows are locked by whoever claims or frees one",
)

reward_claim = sa.Table(
    "reward_claim",
    metadata,
    sa.Column("claim_id", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("reward_id", sa.Text, nullable=False),
    sa.Column("redemption_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("points", sa.BigInteger, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("claimed_at", INSTANT, nullable=False),
    sa.Column("code", sa.Text),
    sa.Column("valid_until", INSTANT),
    sa.Column("member_number", sa.Text, comment="the customer's, with the partner"),
    sa.Column("units", sa.BigInteger, comment="what the partner gives"),
    sa.Column("ended_at", INSTANT, comment="fulfilled or cancelled"),
    sa.Column("reason", sa.Text),
    sa.CheckConstraint("status IN ('claimed', 'cancelling', 'cancelled', 'fulfilled')", name="status"),
    sa.CheckConstraint("(status IN ('cancelled', 'fulfilled')) = (ended_at IS NOT NULL)", name="ended"),
    sa.CheckConstraint(
        "code IS NULL OR kind IN ('free_article', 'percentage_voucher', 'money_voucher', 'shipping')", name="code"
    ),
    sa.CheckConstraint("(kind = 'partner_transfer') = (units IS NOT NULL)", name="partner"),
    sa.CheckConstraint("member_number IS NULL OR units IS NOT NULL", name="member"),
    sa.Index("reward_claim_by_code", "code", unique=True),
    sa.Index("reward_claim_of_redemption", "redemption_id", unique=True),
    sa.Index("reward_claim_of_customer", "customer_id", "number"),
    sa.Index("reward_claim_of_reward", "reward_id", "number"),
)

adjustment = sa.Table(
    "adjustment",
    metadata,
    sa.Column("adjustment_id", sa.Text, primary_key=True),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("entry_sequence", sa.BigInteger),
    sa.Column("points", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, server_default="correction"),
    sa.Column("status", sa.Text, nullable=False, server_default="booked"),
    sa.Column("expires_on", sa.Date, comment="the last local day of its points, where they have one of their own"),
    sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now()),
    sa.Column("on", sa.Date, comment="the local day on which it was asked for"),
    sa.Column("decided_by", sa.Text, comment="the name of the second API key, of one that had to be approved"),
    sa.Column("decided_at", INSTANT),
    sa.CheckConstraint("kind IN ('goodwill', 'surprise', 'correction')", name="kind"),
    sa.CheckConstraint("status IN ('booked', 'awaits_approval', 'rejected')", name="status"),
    sa.CheckConstraint("(status = 'booked') = (entry_sequence IS NOT NULL)", name="booked"),
    sa.CheckConstraint("(decided_by IS NULL) = (decided_at IS NULL)", name="decided"),
    sa.Index("adjustment_listed", "created_at", "adjustment_id"),
    sa.Index(
        "adjustment_awaiting", "created_at", "adjustment_id", postgresql_where=sa.text("status = 'awaits_approval'")
    ),
)

credit_day = sa.Table(
    "credit_day",
    metadata,
    sa.Column("actor", sa.Text, primary_key=True),
    sa.Column("on", sa.Date, primary_key=True, comment="a local day"),
    sa.Column("points", sa.BigInteger, nullable=False, server_default="0"),
    comment="what each API key gave by hand without a second one; its lock keeps the limit",
)

action_given = sa.Table(
    "action_given",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("action", sa.Text, primary_key=True),
    sa.Column("points", sa.BigInteger, nullable=False),
    sa.Column("entry_sequence", sa.BigInteger, nullable=False),
    sa.Column("programme_version", sa.Integer, nullable=False),
    sa.Column("occurred_at", INSTANT, nullable=False),
    sa.Column("reference", sa.Text),
    comment="points for what customers did, once each and for ever; an account has those of all merged into it",
)

points_grant = sa.Table(
    "points_grant",
    metadata,
    sa.Column("source", sa.Text, primary_key=True, comment="the service that owes the points"),
    sa.Column("reward_id", sa.Text, primary_key=True, comment="its name for them, for ever"),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, comment="what they are for"),
    sa.Column("points", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("occurred_at", INSTANT),
    sa.Column("entry_sequence", sa.BigInteger),
    sa.Column("qualifying", sa.Boolean, nullable=False, server_default="false", comment="counted towards tiers"),
    sa.Column("revoked_at", INSTANT),
    sa.Column("revoked_expired", sa.BigInteger, nullable=False, server_default="0", comment="had ended already"),
    sa.Column("revocation_sequence", sa.BigInteger, comment="of the entry that took them back"),
    sa.CheckConstraint("status IN ('awaited', 'granted', 'revoked')", name="status"),
    sa.CheckConstraint("(status = 'awaited') = (points = 0)", name="points"),
    sa.CheckConstraint("(status = 'granted') = (revoked_at IS NULL)", name="revoked"),
    sa.CheckConstraint("revoked_expired BETWEEN 0 AND points", name="expired"),
    comment="points that other services owe customers; awaited ones were taken back before they came",
)

draw_secret = sa.Table(
    "draw_secret",
    metadata,
    sa.Column("campaign", sa.Text, primary_key=True),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("revealed_at", INSTANT, comment="since then nothing may be drawn by it"),
    comment="decides which purchases a campaign with a share draws; its SHA-256 is public from the first day on",
)

progress = sa.Table(
    "progress",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("on", sa.Date, primary_key=True, comment="the local day of the purchases"),
    sa.Column("points", sa.BigInteger, nullable=False),
    sa.Column("spend", MONEY, nullable=False),
    comment="what purchases, less what was refunded of them, count towards tiers",
    postgresql_with={"fillfactor": "90"},
)

tier_change = sa.Table(
    "tier_change",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("event_sequence", sa.BigInteger, primary_key=True, comment="of the event that told it"),
    sa.Column("on", sa.Date, nullable=False),
    sa.Column("left", sa.Text, nullable=False),
    sa.Column("reached", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)

campaign_use = sa.Table(
    "campaign_use",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("campaign", sa.Text, primary_key=True),
    sa.Column("points", sa.BigInteger, nullable=False),
    sa.Column("awards", sa.BigInteger, nullable=False),
    sa.Index("campaign_use_of", "campaign"),
    comment="what campaigns gave to whom; clawbacks free none of it",
)

campaign_budget = sa.Table(
    "campaign_budget",
    metadata,
    sa.Column("campaign", sa.Text, primary_key=True),
    sa.Column("points", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("awards", sa.BigInteger, nullable=False, server_default="0"),
    comment="what campaigns with a budget gave in all; its lock is the last that a batch takes",
)

event = sa.Table(
    "event",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    comment="every event that was booked, for ever: the same pair again is the same event",
)

stored_answer = stored_answer_table(metadata, lasting="about points that moved")

outbox = outbox_table(metadata)
outbox_sent = outbox_sent_table(metadata)
kafka_offset = kafka_offset_table(metadata)
dead_letter = dead_letter_table(metadata)

api_key = api_key_table(metadata)
audit = audit_table(metadata)
erasure = erasure_table(metadata)
job_run = job_run_table(metadata)

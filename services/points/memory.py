"""What the points service keeps of a person: declared once, for who asks what is known of them and who is to be forgotten."""

from shared.erasures import DELETE, IMPERSONAL, MESSAGES, Kept, Memory, answers, mentions

NAMES = """
SELECT a.customer_id FROM account n JOIN account a
    ON coalesce(a.merged_into, a.customer_id) = coalesce(n.merged_into, n.customer_id)
 WHERE n.customer_id = $1"""

CARDS = "SELECT card_number FROM card WHERE customer_id = ANY($1::text[])"

# deeds name whom they were done to, or the booking that they changed
DEEDS = f"""{mentions("convert_to(subject, 'UTF8')")} OR subject IN (
    SELECT adjustment_id FROM adjustment WHERE customer_id = ANY($1)
    UNION ALL SELECT redemption_id FROM redemption WHERE customer_id = ANY($1)
    UNION ALL SELECT claim_id FROM reward_claim WHERE customer_id = ANY($1))"""

# what is answered to a refund that waits names nobody
OF_PURCHASES = """(nullif(convert_from(body, 'UTF8'), '')::jsonb ->> 'shop_id',
    nullif(convert_from(body, 'UTF8'), '')::jsonb ->> 'invoice_number') IN (
    SELECT shop_id, invoice_number FROM purchase WHERE customer_id = ANY($1)
    UNION ALL SELECT shop_id, invoice_number FROM refund WHERE customer_id = ANY($1))"""

MEMORY = Memory(
    names=NAMES,
    traces=CARDS,
    kept=(
        Kept("account"),
        Kept("entry"),
        Kept("lot"),
        Kept("allocation"),
        Kept("purchase", forget="card_number = NULL, document = NULL", still="num_nonnulls(card_number, document) > 0"),
        Kept("refund", forget="status = 'refused', refused_code = 'customer-erased'", still="status = 'waiting'"),
        Kept("redemption"),
        Kept("redemption_lot"),
        Kept("settlement"),
        Kept("gift", "customer_id = ANY($1) OR recipient_id = ANY($1)"),
        Kept(
            "reward_claim",
            forget="code = NULL, member_number = NULL, reason = NULL",
            still="num_nonnulls(code, member_number, reason) > 0",
        ),
        *MESSAGES,
        answers(OF_PURCHASES),
        Kept("audit", DEEDS, "reason = NULL", "reason IS NOT NULL"),
        Kept(
            "adjustment",
            forget="""note = NULL, reason = 'erased', status = CASE status WHEN 'awaits_approval' THEN 'rejected' ELSE status END,
              decided_by = CASE status WHEN 'awaits_approval' THEN 'erasure' ELSE decided_by END,
              decided_at = CASE status WHEN 'awaits_approval' THEN now() ELSE decided_at END""",
            still="reason <> 'erased' OR note IS NOT NULL",
        ),
        Kept("action_given", forget="reference = NULL", still="reference IS NOT NULL"),
        Kept("points_grant"),
        Kept("progress"),
        Kept("tier_change"),
        Kept("campaign_use"),
        # last, since they say by which other names a person is to be looked for
        Kept("card", forget=DELETE),
    ),
    impersonal=IMPERSONAL | {"campaign_budget", "credit_day", "draw_secret", "event", "reward"},
)

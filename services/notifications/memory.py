"""What the notifications service keeps of a person: declared once, for who asks what is known of them and who is to be forgotten."""

from shared.erasures import DELETE, IMPERSONAL, MESSAGES, Kept, Memory, answers, mentions

NAMES = """
SELECT c.customer_id FROM customer n JOIN customer c
    ON coalesce(c.merged_into, c.customer_id) = coalesce(n.merged_into, n.customer_id)
 WHERE n.customer_id = $1"""

TRACES = """
SELECT card_number FROM card WHERE customer_id = ANY($1::text[])
UNION SELECT email FROM customer WHERE customer_id = ANY($1::text[]) AND email IS NOT NULL
UNION SELECT phone FROM customer WHERE customer_id = ANY($1::text[]) AND phone IS NOT NULL"""

PROFILE = (
    "salutation", "given_name", "family_name", "language", "time_zone", "birthday", "birthday_entered_on", "joined_on",
    "email", "phone", "preferred_channel", "profile_at", "tier", "first_purchase_at", "last_purchase_at",
)  # fmt: skip

DEEDS = f"""{mentions("convert_to(subject, 'UTF8')")}
    OR subject IN (SELECT coupon_id FROM coupon WHERE customer_id = ANY($1))"""

MEMORY = Memory(
    names=NAMES,
    traces=TRACES,
    kept=(
        Kept("own_date", forget=DELETE),
        Kept("bought", forget=DELETE),
        Kept("consent", forget=DELETE),
        Kept("address", "lower(address) IN (SELECT lower(trace) FROM unnest($2::text[]) AS trace)", DELETE),
        Kept("dispatch", forget=DELETE),
        Kept("notification", forget="content = '{}', reason = NULL", still="content <> '{}' OR reason IS NOT NULL"),
        Kept("coupon", forget="reason = 'customer-erased'", still="status = 'voided' AND reason <> 'customer-erased'"),
        Kept("coupon_use"),
        Kept("shared_reservation"),
        Kept("sale", forget="card_number = NULL", still="card_number IS NOT NULL"),
        Kept(
            "refund",
            "(shop_id, invoice_number) IN (SELECT shop_id, invoice_number FROM sale WHERE customer_id = ANY($1))",
        ),
        *MESSAGES,
        answers(),
        Kept("audit", DEEDS, "reason = NULL", "reason IS NOT NULL"),
        # last, since they say by which other names a person is to be looked for
        Kept(
            "customer",
            forget=f"{', '.join(f'{name} = NULL' for name in PROFILE)}, preferences = '{{}}', turnover = 0, purchases = 0",
            still=f"num_nonnulls({', '.join(PROFILE)}) > 0 OR preferences <> '{{}}' OR purchases > 0",
        ),
        Kept("card", forget=DELETE),
    ),
    impersonal=IMPERSONAL | {"hook", "segment", "shared_code", "sweep", "template"},
)

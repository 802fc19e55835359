"""What the referrals service keeps of a person: declared once, for who asks what is known of them and who is to be forgotten."""

from shared.erasures import DELETE, IMPERSONAL, MESSAGES, Kept, Memory, answers, mentions

NAMES = """
SELECT c.customer_id FROM customer n JOIN customer c
    ON coalesce(c.merged_into, c.customer_id) = coalesce(n.merged_into, n.customer_id)
 WHERE n.customer_id = $1"""

CARDS = "SELECT card_number FROM card WHERE customer_id = ANY($1::text[])"

# a code that somebody chose may be their name, and stands with what others did with it
IS_CHOSEN = "kind = 'vanity' AND code NOT LIKE 'ERASED-%'"
CHOSEN = f"(SELECT code FROM code WHERE {IS_CHOSEN} AND customer_id = ANY($1))"
NAMELESS = "'ERASED-' || md5(c.customer_id || c.created_at::text)"


def _renamed(column: str) -> str:
    return f"{column} = (SELECT {NAMELESS} FROM code AS c WHERE c.code = kept.{column})"


OF_REFERRALS = "referral_id IN (SELECT referral_id FROM referral WHERE friend_id = ANY($1))"

DEEDS = f"""{mentions("convert_to(subject, 'UTF8')")}
    OR subject IN (SELECT referral_id FROM referral WHERE friend_id = ANY($1) OR referrer_id = ANY($1)
      UNION ALL SELECT pair_id FROM pair WHERE friend_id = ANY($1) OR referrer_id = ANY($1)
      UNION ALL SELECT code FROM code WHERE customer_id = ANY($1))"""

MEMORY = Memory(
    names=NAMES,
    traces=CARDS,
    kept=(
        Kept(
            "customer",
            forget="email_hash = NULL, phone_hash = NULL, tier = NULL",
            still="num_nonnulls(email_hash, phone_hash, tier) > 0",
        ),
        Kept(
            "purchase",
            forget="card_number = NULL, referral_code = NULL",
            still="num_nonnulls(card_number, referral_code) > 0",
        ),
        Kept(
            "refund",
            "(shop_id, invoice_number) IN (SELECT shop_id, invoice_number FROM purchase WHERE customer_id = ANY($1))",
        ),
        *MESSAGES,
        answers(),
        Kept("audit", DEEDS, "reason = NULL", "reason IS NOT NULL"),
        # what staff wrote about a claim, and whence it came
        Kept(
            "referral",
            "friend_id = ANY($1) OR referrer_id = ANY($1)",
            """address_hash = CASE WHEN friend_id = ANY($1) THEN NULL ELSE address_hash END,
              reason = CASE WHEN decided_by IS NULL THEN reason ELSE 'customer-erased' END""",
            "address_hash IS NOT NULL OR decided_by IS NOT NULL AND reason <> 'customer-erased'",
        ),
        Kept("reward"),
        Kept(
            "pair",
            "friend_id = ANY($1) OR referrer_id = ANY($1)",
            "reason = 'customer-erased'",
            "status = 'cancelled' AND reason <> 'customer-erased'",
        ),
        Kept("pair_reward"),
        Kept("commission", OF_REFERRALS),
        Kept("statement_line", OF_REFERRALS),
        Kept("share", "code IN (SELECT code FROM code WHERE customer_id = ANY($1))"),
        *(
            Kept(table, f"{column} IN {CHOSEN}", _renamed(column), shown=None)
            for table, column in (("purchase", "referral_code"), ("referral", "code"), ("share", "code"))
        ),
        Kept("code", forget=_renamed("code"), still=IS_CHOSEN),
        # last, since they say by which other names a person is to be looked for
        Kept("card", forget=DELETE),
    ),
    impersonal=IMPERSONAL | {"offer", "partner", "partner_terms", "payout"},
)

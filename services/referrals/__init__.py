"""Will own referrals and pairs, in its own database; nothing uses it yet."""

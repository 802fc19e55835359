"""Will own messages and coupons, in its own database; nothing uses it yet."""

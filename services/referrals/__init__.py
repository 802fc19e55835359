"""Owns recommendations and pairs: codes, claims, and what is due to whom for them, in its own database.

Hears `loyalty.purchases`, `loyalty.customers` and `loyalty.points`; says what happened on `loyalty.referrals`.
"""

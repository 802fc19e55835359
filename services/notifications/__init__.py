"""Owns what customers get to hold and to hear: coupons so far, in its own database.

Hears `loyalty.points` (rewards that were claimed), `loyalty.referrals` (coupons that are due) and `loyalty.purchases`
(codes that tills took); says how coupons begin and end on `loyalty.notifications`.
"""

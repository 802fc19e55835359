"""Owns customers' points: accounts, cards, purchases, entries and lots, in its own database.

Hears `loyalty.purchases` and `loyalty.customers`, of `loyalty.referrals` what points are owed for recommendations, and of
`loyalty.notifications` how coupons end and which are points; says what happened on `loyalty.points`, and on `loyalty.purchases` and `loyalty.customers` whatever it took in over HTTP.
"""

"""Owns customers' points: accounts, cards, purchases, entries and lots, in its own database.

Hears `loyalty.purchases` and `loyalty.customers`, and of `loyalty.notifications` how coupons end; says what happened on
`loyalty.points`, and on `loyalty.purchases` and `loyalty.customers` whatever it took in over HTTP.
"""

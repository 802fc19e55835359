"""Coupons over REST: personal ones and codes for everybody, as tills and staff ask for them."""

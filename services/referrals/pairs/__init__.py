"""Offers for two over REST: kept by staff, taken up by an existing customer and a friend."""

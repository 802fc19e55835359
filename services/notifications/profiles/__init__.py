"""Customers as the shop may look at them and change them: profiles, and segments of them."""

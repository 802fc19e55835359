"""Addresses that messages came back from, over REST."""

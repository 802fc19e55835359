"""What runs beside the API so that customers hear from us: what is due is said, what is ours to deliver is delivered.

`saying` says what was planned and is due, `channels` are the ways that settings and web hooks open, `posting` sends over each.
"""

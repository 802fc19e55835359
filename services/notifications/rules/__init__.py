"""What is right: what is due when, what may be said to whom, what a coupon is worth. Pure: plain values, no I/O, no clock."""

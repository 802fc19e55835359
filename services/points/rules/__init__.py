"""What is right, in numbers: earning, lots, dates, tiers, cards. Pure: plain values in, plain values out, no I/O, no clock."""

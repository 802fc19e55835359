"""What is right for coupons and messages, without I/O and without a clock."""

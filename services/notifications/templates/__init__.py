"""What messages say: templates checked as they are saved, and rendered for a reader. Pure: plain values, no I/O, no clock."""

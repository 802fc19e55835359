"""Templates over REST: what messages say, saved in versions and tried before they are."""

"""Messages over REST: those that failed or wait, what became of one, and what those who deliver say of it."""

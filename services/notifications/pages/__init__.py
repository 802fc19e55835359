"""Pages for customers, who have no login: signed links in messages lead here."""

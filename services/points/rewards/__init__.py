"""The catalogue of rewards over REST: kept by staff, looked at and claimed for customers, settled with partners."""

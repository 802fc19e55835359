"""The three services of the loyalty system; none imports another, they meet through events."""

"""Partners over REST: their terms, codes and commissions, and a statement of each month to read, to reckon with, to pay."""

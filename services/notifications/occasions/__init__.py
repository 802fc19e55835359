"""Occasions as staff see them: what there is, and who would get what before anything is sent."""

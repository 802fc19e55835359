"""The events as pydantic models, one module per producer; imports nothing of ours."""

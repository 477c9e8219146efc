"""Speed claims, each with the command that measures it."""

"""Reading people's data: texts as tokens."""

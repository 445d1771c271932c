"""Reading people's data: texts as tokens, tables, series, and examples with labels."""

"""Answers that people give, right and wrong: the checks are proven on them."""

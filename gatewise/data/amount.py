"""Numbers with the word for what they count."""


def amount(number: int, unit: str) -> str:
    """Say so many of something, `unit` being one of them.

    Example:
        >>> amount(1, "step"), amount(0, "step"), amount(12_000, "step")
        ('1 step', '0 steps', '12,000 steps')
    """
    return f"{number:,} {unit}" if number == 1 else f"{number:,} {unit}s"

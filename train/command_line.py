"""What the command lines of train and export have in common."""


def names(text: str) -> list[str]:
    """'A, B' of a flag -> ['A', 'B']."""
    return [name.strip() for name in text.split(",") if name.strip()]

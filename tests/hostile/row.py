"""What one attack did: a row of the table in docs/faults.md."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """How many of the tries the program withstood, and what the worst of them cost."""

    attack: str  # in words, as in the table
    tried: int
    held: int  # tries after which everything was as it should be
    worst_s: float | None = (
        None  # seconds of processor time or of waiting, as the attack says; None if not measured
    )
    worst_mb: float | None = None  # largest resident memory of the attacked process, in MB
    note: str = ""  # what happened, for the reader of the table

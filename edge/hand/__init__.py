"""Where the hand is and what it signs."""

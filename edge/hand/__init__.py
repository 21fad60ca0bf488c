"""Find the hand in pictures and streams, and predict its letter."""

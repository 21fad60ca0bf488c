"""The drawn hand of the test card."""

"""Hands that are drawn and rendered."""

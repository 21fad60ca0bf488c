"""Predictions over time -> letters."""

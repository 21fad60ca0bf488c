"""Helpers that tests share: synthetic pictures, small packages, a browser."""

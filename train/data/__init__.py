"""Photographs -> the prepared folder."""

"""Figures from results: functions take data and return a ``Figure``."""

"""Scenarios: a city, what happens to it, and what must come of that, in one file that a planner can write."""

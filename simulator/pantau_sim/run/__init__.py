"""Runs of scenarios: nodes in districts, the city behind them, and what came of it."""

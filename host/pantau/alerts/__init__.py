"""Alerts: rules as data, a fold over what the city's stations say, and a store that neither loses nor repeats a decision."""

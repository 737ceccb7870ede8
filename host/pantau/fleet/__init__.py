"""The fleet: keys, broker access, releases and updates over the air."""

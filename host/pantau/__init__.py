"""The bridge of Pantau: authenticate, order, de-duplicate and keep what nodes send, then pass it on."""

__version__ = "0.1.0"

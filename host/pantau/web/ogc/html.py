"""A document as HTML: lists in lists, for people who follow a link. Every text is escaped; nothing is inline but text."""

from __future__ import annotations

from html import escape
from typing import Any


def page(title: str, document: Any) -> str:
    """Return the page of a JSON value."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"></head>'
        f"<body><h1>{escape(title)}</h1>{_shown(document)}</body></html>"
    )


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        if isinstance(value.get("href"), str):
            return f"{escape(str(value.get('rel', '')))}: {_anchor(value['href'], str(value.get('title') or value['href']))}"
        rows = "".join(f"<dt>{escape(str(name))}</dt><dd>{_shown(one)}</dd>" for name, one in value.items())
        return f"<dl>{rows}</dl>"
    if isinstance(value, list):
        if all(isinstance(one, (int, float)) for one in value):
            return escape(", ".join(map(str, value)))
        return f"<ul>{''.join(f'<li>{_shown(one)}</li>' for one in value)}</ul>"
    if value is None:
        return "&ndash;"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return _anchor(text, text) if text.startswith(("https://", "http://")) else escape(text)


def _anchor(href: str, title: str) -> str:
    if not href.startswith(("https://", "http://")):
        return escape(title)
    return f'<a href="{escape(href)}">{escape(title)}</a>'

"""Query options of SensorThings (OGC 18-088, 9.3): what a request asks of a set of entities. I/O-free; everything has a bound.

`$filter` is parsed by odata_query into its AST; the nested options of `$expand`, which OData 4 has and that library does not, here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_plus

from odata_query import ast, exceptions
from odata_query.grammar import ODATA_FUNCTIONS, ODataLexer, ODataParser

from pantau.web.sta.functions import CALLS

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_TOP, MAX_TOP = 100, 1000
MAX_SKIP = 10_000_000
MAX_TEXT = 4000  # characters of a query
_MAX_DEPTH = 5  # of $expand in $expand
_MAX_NODES = 200  # of a filter
_MAX_NESTING = 40
_MAX_ORDER = 8
# Of SensorThings (Annex B of 18-088), beside those of OData that the library knows: name and number of arguments.
_FUNCTIONS: dict[str, Any] = {
    "substringof": 2, "before": 2, "after": 2, "geo.intersects": 2, "geo.distance": 2,
    "st_equals": 2, "st_disjoint": 2, "st_within": 2, "st_intersects": 2, "st_distance": 2,
}  # fmt: skip


class OptionError(ValueError):
    """A query that is not understood; the text says what, and what would be right."""


class Order(NamedTuple):
    """One part of $orderby."""

    path: tuple[str, ...]
    descending: bool


class Options(NamedTuple):
    """What is asked. `select` None: everything; `filter` None: all; `expand` by name of the navigation."""

    select: tuple[str, ...] | None = None
    expand: tuple[tuple[str, Options], ...] = ()
    filter: Any = None
    order: tuple[Order, ...] = ()
    top: int = DEFAULT_TOP
    skip: int = 0
    counted: bool = False
    raw: tuple[tuple[str, str], ...] = ()  # as it came, for a link to the next page


def _function_call(func: ast.Identifier, args: list[Any]) -> ast.Call:
    """Check a call as the library does, against SensorThings' functions too."""
    known = _FUNCTIONS.get(func.full_name(), ODATA_FUNCTIONS.get(func.full_name()))
    if known is None or func.full_name() not in CALLS:
        raise OptionError(f"$filter: no function {func.full_name()}; known: {', '.join(sorted(CALLS))}")
    least, most = known if isinstance(known, tuple) else (known, known)
    if not least <= len(args) <= most:
        raise OptionError(f"$filter: {func.full_name()} takes {least} arguments, not {len(args)}")
    return ast.Call(func, args)


def parse(query: str) -> Options:
    """Return the options of a URL's query. OptionError names the first mistake."""
    if len(query) > MAX_TEXT:
        raise OptionError(f"a query of {len(query)} characters; at most {MAX_TEXT}")
    pairs = [part.partition("=") for part in query.split("&") if part]
    return _options([(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs], 0)


def _options(pairs: list[tuple[str, str]], depth: int) -> Options:
    asked = Options(raw=tuple(pairs))
    seen: set[str] = set()
    for name, text in pairs:
        if name in seen:
            raise OptionError(f"{name} is given twice")
        seen.add(name)
        if name == "$select":
            asked = asked._replace(select=tuple(_names(text, "$select")))
        elif name == "$expand":
            asked = asked._replace(expand=_expand(text, depth))
        elif name == "$filter":
            asked = asked._replace(filter=parse_filter(text))
        elif name == "$orderby":
            asked = asked._replace(order=_order(text))
        elif name == "$top":
            asked = asked._replace(top=min(MAX_TOP, _number(name, text)))
        elif name == "$skip":
            asked = asked._replace(skip=_number(name, text))
        elif name == "$count":
            if text not in {"true", "false"}:
                raise OptionError(f"$count: true or false, not {text[:20]!r}")
            asked = asked._replace(counted=text == "true")
        elif name != "$resultFormat" or text != "default":
            raise OptionError(
                f"{name[:40]} is not supported; known: $select $expand $filter $orderby $top $skip $count"
            )
    return asked


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 8 or int(text) > MAX_SKIP:
        raise OptionError(f"{name}: a whole number from 0 to {MAX_SKIP}, not {text[:20]!r}")
    return int(text)


def _names(text: str, option: str) -> Iterator[str]:
    for name in text.split(","):
        if not name.strip():
            raise OptionError(f"{option}: a name is missing")
        yield name.strip()


def _order(text: str) -> tuple[Order, ...]:
    found = []
    for part in _names(text, "$orderby"):
        words = part.split()
        if len(words) > 2 or (len(words) == 2 and words[1].lower() not in {"asc", "desc"}):
            raise OptionError(f"$orderby: {part[:40]!r} is not a property with asc or desc")
        # in capitals too, as a client in wide use sends them
        found.append(Order(tuple(words[0].split("/")), words[-1].lower() == "desc"))
    if len(found) > _MAX_ORDER:
        raise OptionError(f"$orderby: at most {_MAX_ORDER} properties")
    return tuple(found)


def _expand(text: str, depth: int) -> tuple[tuple[str, Options], ...]:
    """Parse `A($select=x;$expand=B),C/D`: nested options in brackets, or a path for short."""
    if depth >= _MAX_DEPTH:
        raise OptionError(f"$expand: at most {_MAX_DEPTH} levels")
    found: dict[str, Options] = {}
    for item in _split(text, ","):
        name, bracket, rest = item.partition("(")
        if bracket and not rest.endswith(")"):
            raise OptionError(f"$expand: brackets do not close in {item[:40]!r}")
        name, _, path = name.strip().partition("/")
        if not name:
            raise OptionError("$expand: a name is missing")
        if path:
            inner = f"$expand={path}{bracket}{rest}"
            pairs = [("$expand", inner.removeprefix("$expand="))]
        else:
            parts = [part.partition("=") for part in _split(rest[:-1], ";")] if bracket and rest != ")" else []
            pairs = [(option.strip(), value) for option, _, value in parts]
        nested = _options(pairs, depth + 1)
        if name in found:  # `A/B,A/C` asks for both below one A
            nested = found[name]._replace(expand=(*found[name].expand, *nested.expand))
        found[name] = nested
    return tuple(found.items())


def _split(text: str, by: str) -> Iterator[str]:
    """Yield the parts of a text between separators that stand in no bracket and no quotes."""
    part, depth, quoted = "", 0, False
    for char in text:
        quoted ^= char == "'"
        depth += 0 if quoted else (char == "(") - (char == ")")
        if depth < 0:
            break
        if char == by and not depth and not quoted:
            yield part
            part = ""
        else:
            part += char
    if depth or quoted:
        raise OptionError("$expand: brackets or quotes do not close")
    yield part


def parse_filter(text: str) -> Any:
    """Return the AST of a filter. OptionError for one that is not understood or too big."""
    if text.count("(") > _MAX_NODES or len(text) > MAX_TEXT:
        raise OptionError("$filter: too long")
    try:
        parser: Any = ODataParser()
        parser._function_call = _function_call  # noqa: SLF001  its grammar cannot be inherited
        tree = parser.parse(ODataLexer().tokenize(text))
    except exceptions.ODataException as error:
        raise OptionError(f"$filter: {error}") from None
    if tree is None:
        raise OptionError("$filter: empty")
    if _size(tree, 0) > _MAX_NODES:
        raise OptionError(f"$filter: more than {_MAX_NODES} parts")
    return tree


def _size(node: Any, depth: int) -> int:
    if depth > _MAX_NESTING:
        raise OptionError(f"$filter: nested deeper than {_MAX_NESTING}")
    if isinstance(node, (list, tuple)):
        return sum(_size(one, depth + 1) for one in node)
    if isinstance(node, ast._Node):  # noqa: SLF001  the library's own base class of its nodes
        return 1 + sum(_size(getattr(node, name), depth + 1) for name in node.__dataclass_fields__)
    return 0

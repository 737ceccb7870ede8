"""From options to one SQL statement: only names of the model get into its text, every value is bound. I/O-free."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any, NamedTuple

from odata_query import ast

from pantau.web.sta.functions import CALLS, PlaceError, check
from pantau.web.sta.model import JSON, SETS, EntitySet
from pantau.web.sta.options import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pantau.web.sta.options import Options

_COMPARE = {"Eq": "=", "NotEq": "IS NOT", "Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">="}
_ARITHMETIC = {"Add": "+", "Sub": "-", "Mult": "*", "Div": "/", "Mod": "%"}
_KEYS = ("nid", "pid", "sid", "model")


class Query(NamedTuple):
    """A statement with its values."""

    text: str
    values: tuple[Any, ...]


def columns(name: str) -> list[str]:
    """Return what a page reads of a set: id, fields, the keys of its relations, and what a time needs to be told."""
    known = SETS[name]
    keys = [key for key in _KEYS if any(key in relation.keys for relation in known.links.values())]
    more = ["first"] if name == "Datastreams" else []
    return ["id", *known.fields, *keys, *more]


def page(name: str, asked: Options, where: Mapping[str, Any], now_ms: int) -> Query:
    """Return the statement for a page of a set and one row more, which tells whether there is another page."""
    made = _Compiler(name, now_ms)
    condition = made.all_of(where, asked.filter)
    order = [made.order(part.path) + (" DESC" if part.descending else "") for part in asked.order]
    order += [f"a.{column}" for column in SETS[name].order]
    shown = ", ".join(f"a.{column}" for column in columns(name))
    text = f"SELECT {shown} FROM {name} AS a{condition} ORDER BY {', '.join(order)} LIMIT ? OFFSET ?"  # noqa: S608  names of the model only
    return Query(text, (*made.values, asked.top + 1, asked.skip))


def count(name: str, asked: Options, where: Mapping[str, Any], now_ms: int) -> Query:
    """Return the statement that counts all pages."""
    made = _Compiler(name, now_ms)
    return Query(f"SELECT count(*) FROM {name} AS a{made.all_of(where, asked.filter)}", tuple(made.values))  # noqa: S608  as above


class _Compiler:
    """Of one statement. `values` are its bound values, in the order of their places."""

    def __init__(self, name: str, now_ms: int) -> None:
        self._name, self._now_ms = name, now_ms
        self._scopes: dict[tuple[str, ...], tuple[str, str]] = {(): (name, "a")}
        self._made = 0
        self.values: list[Any] = []

    def all_of(self, where: Mapping[str, Any], tree: Any) -> str:
        parts = []
        for column, value in where.items():
            parts.append(f"a.{column} = ?")
            self.values.append(value)
        if tree is not None:
            parts.append(self._truth(tree))
        return f" WHERE {' AND '.join(parts)}" if parts else ""

    def order(self, path: tuple[str, ...]) -> str:
        """Return the expression of one property to sort by; a path may lead to one other entity each."""
        links = self._links(path)
        if not links:
            return self._field(path)
        joins = self._open(links)
        text = self._field(path)
        self._close(links)
        return f"(SELECT {text} FROM {joins} LIMIT 1)"  # noqa: S608  as above

    def _truth(self, tree: Any) -> str:
        if isinstance(tree, ast.BoolOp):
            word = "AND" if isinstance(tree.op, ast.And) else "OR"
            return f"({self._truth(tree.left)} {word} {self._truth(tree.right)})"
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
            return f"(NOT coalesce({self._truth(tree.operand)}, 0))"
        if not isinstance(tree, (ast.Compare, ast.Call)):
            raise OptionError("$filter: a comparison or a function that is true or false is needed")
        links = sorted(
            {link for path in _paths(tree) for link in self._links(path)}, key=lambda link: (len(link), link)
        )
        if not links:
            return self._value(tree)
        joins = self._open(links)
        text = f"EXISTS (SELECT 1 FROM {joins} AND {self._value(tree)})"  # noqa: S608  as above
        self._close(links)
        return text

    def _links(self, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        """Return the navigations that a path goes through, each as the path up to it."""
        found, here = [], SETS[self._name]
        for place, name in enumerate(path[:-1], 1):
            if name not in here.links:
                break
            found.append(path[:place])
            here = SETS[here.links[name].target]
        return found

    def _open(self, links: list[tuple[str, ...]]) -> str:
        """Return `tables WHERE joins` for navigations, and let paths through them be resolved."""
        tables, conditions = [], []
        for link in links:
            parent, alias = self._scopes[link[:-1]]
            relation = SETS[parent].links[link[-1]]
            self._made += 1
            self._scopes[link] = (relation.target, f"b{self._made}")
            tables.append(f"{relation.target} AS b{self._made}")
            conditions += [f"b{self._made}.{key} = {alias}.{key}" for key in relation.keys]
        return f"{', '.join(tables)} WHERE {' AND '.join(conditions)}"

    def _close(self, links: list[tuple[str, ...]]) -> None:
        for link in links:
            del self._scopes[link]

    def _value(self, tree: Any) -> str:
        if isinstance(tree, ast.Compare):
            return self._comparison(tree)
        if isinstance(tree, ast.Call):
            return f"({self._call(tree)})"
        if isinstance(tree, ast.BinOp):
            return f"({self._value(tree.left)} {_ARITHMETIC[type(tree.op).__name__]} {self._value(tree.right)})"
        if isinstance(tree, ast.UnaryOp) and not isinstance(tree.op, ast.Not):
            return f"(-{self._value(tree.operand)})"
        if isinstance(tree, (ast.Identifier, ast.Attribute)):
            return self._field(_path(tree))
        self.values.append(_literal(tree))
        return "?"

    def _comparison(self, tree: ast.Compare) -> str:
        kind = type(tree.comparator).__name__
        if kind == "In":
            if not isinstance(tree.right, ast.List):
                raise OptionError("$filter: `in` needs a list: name in ('a', 'b')")
            left = self._value(tree.left)
            self.values += [_literal(one) for one in tree.right.val]
            return f"({left} IN ({', '.join('?' * len(tree.right.val))}))"
        if isinstance(tree.right, ast.Null):
            return f"({self._value(tree.left)} IS {'NOT ' if kind == 'NotEq' else ''}NULL)"
        return f"({self._value(tree.left)} {_COMPARE[kind]} {self._value(tree.right)})"

    def _call(self, tree: ast.Call) -> str:
        """A function may use an argument twice, so each argument is compiled for each of its places."""
        template = CALLS[tree.func.full_name()]
        text, at = "", 0
        while (start := template.find("{", at)) >= 0:
            end = template.index("}", start)
            text += template[at:start]
            place = template[start + 1 : end]
            if place == "now":
                self.values.append(self._now_ms)
                text += "?"
            else:
                text += self._value(tree.args[int(place)])
            at = end + 1
        return text + template[at:]

    def _field(self, path: tuple[str, ...]) -> str:
        links = self._links(path)
        name, alias = self._scopes[links[-1] if links else ()]
        rest = path[len(links) :]
        known = SETS[name]
        if rest in {("id",), ("@iot.id",)}:
            return f"{alias}.id"
        kind = known.fields.get(rest[0])
        if kind is None:
            raise OptionError(_unknown(rest[0], name, known))
        if kind == JSON and len(rest) > 1:
            if any('"' in part for part in rest[1:]):
                raise OptionError(f"{'/'.join(rest)[:60]}: no such property")
            self.values.append("$" + "".join(f'."{part}"' for part in rest[1:]))
            return f"json_extract({alias}.{rest[0]}, ?)"
        if len(rest) > 1:
            raise OptionError(f"{'/'.join(rest)[:60]}: {rest[0]} has no parts")
        return f"{alias}.{rest[0]}"


def _unknown(name: str, of: str, known: EntitySet) -> str:
    return f"{of} have no {name[:40]!r}; they have id, {', '.join([*known.fields, *known.links])}"


def _path(tree: Any) -> tuple[str, ...]:
    if isinstance(tree, ast.Attribute):
        return (*_path(tree.owner), str(tree.attr))
    if isinstance(tree, ast.Identifier):
        return (tree.full_name(),)
    raise OptionError("$filter: a path is made of names")


def _paths(tree: Any) -> Iterator[tuple[str, ...]]:
    if isinstance(tree, (ast.Identifier, ast.Attribute)):
        yield _path(tree)
    elif isinstance(tree, ast.Call):
        for arg in tree.args:
            yield from _paths(arg)
    elif isinstance(tree, (ast.Compare, ast.BinOp)):
        yield from _paths(tree.left)
        yield from _paths(tree.right)
    elif isinstance(tree, ast.UnaryOp):
        yield from _paths(tree.operand)


def _literal(tree: Any) -> Any:
    """Return the value that is bound: times and durations in ms, geometries as checked WKT."""
    try:
        if isinstance(tree, ast.Geography):
            return check(tree.val)
        if isinstance(tree, ast.DateTime):
            moment = tree.py_val
            return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        if isinstance(tree, ast.Date):
            from datetime import datetime, time

            return round(datetime.combine(tree.py_val, time(), UTC).timestamp() * 1000)
        if isinstance(tree, ast.Duration):
            return round(tree.py_val.total_seconds() * 1000)
        if isinstance(tree, ast.Integer):
            number = int(tree.val)
            return number if abs(number) < 1 << 63 else float(number)
        if isinstance(tree, (ast.Float, ast.Boolean, ast.String, ast.Null)):
            return tree.py_val
    except PlaceError as error:
        raise OptionError(f"$filter: {error}") from None
    except (ValueError, OverflowError):
        raise OptionError(f"$filter: {str(getattr(tree, 'val', ''))[:40]!r} is not a time that exists") from None
    raise OptionError("$filter: a value of a kind that is not supported")

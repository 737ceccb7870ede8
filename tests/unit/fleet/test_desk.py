"""The order desk: no order is lost or carried out twice, whatever the way to the node and the bridge do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pantau.fleet.book import Book
from pantau.fleet.chunks import WINDOW, Limits
from pantau.fleet.rows import DONE, EXPIRED, FAILED, Order
from pantau.ops.migrate import StoreError
from pantau_wire import frame as wire
from pantau_wire import names as T
from unit.fleet.fleet_rig import SIZE, START_MS, City, Node


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    made = City(tmp_path, Node("a"), Node("b"))
    yield made
    made.book.close()


def orders(city: City, node: str = "a") -> list[Order]:
    return city.book.orders_of(node)


def test_an_order_is_sent_once_and_ends_with_its_answer(city: City) -> None:
    city.desk.reload()
    city.order("a", "restart")
    city.desk.reload()
    city.step()
    city.step()
    assert city.nodes["a"].done == ["restart"] and not city.sent
    assert (orders(city)[0].state, orders(city)[0].result) == (DONE, "so be it")


def test_a_bridge_killed_at_any_point_neither_loses_nor_doubles_an_order(city: City) -> None:
    city.order("a", "restart")
    city.kill()
    city.step(deliver=False)  # killed between writing down and sending
    city.kill()
    city.nodes["a"].health()
    city.step(30)
    assert city.nodes["a"].done == ["restart"]
    city.kill()  # its answer is in the log and the desk has not seen it
    city.nodes["a"].health()
    said = list(city.nodes["a"].said)
    city.nodes["a"].said = []
    city.step(60)
    city.nodes["a"].said = said
    city.step()
    assert city.nodes["a"].done == ["restart"] and orders(city)[0].state == DONE


def test_to_a_silent_node_no_copies_pile_up(city: City) -> None:
    city.nodes["a"].away = True
    city.order("a", "get")
    city.desk.reload()
    many = 0
    for _ in range(50):
        city.step(60)
        many += len(city.sent)
    assert many == 1
    city.nodes["a"].away = False
    city.nodes["a"].health()
    city.step(60)
    city.step()
    assert city.nodes["a"].done == ["get"]


def test_orders_of_one_node_go_one_by_one_and_of_another_beside_them(city: City) -> None:
    first, second = city.order("a", "get"), city.order("a", "ping")
    assert second > first >= START_MS
    city.order("b", "ping")
    city.desk.reload()
    city.step()
    assert sorted(node for node, _ in city.sent) == ["a", "b"]
    city.step()
    assert city.nodes["a"].done == ["get", "ping"] and city.nodes["a"].forged == 0


def test_counters_rise_over_a_restart_with_a_clock_that_fell_back(city: City) -> None:
    city.order("a", "get")
    city.desk.reload()
    city.step()
    city.step()
    city.now_ms -= 3_600_000
    city.kill()
    city.order("a", "ping")
    city.desk.reload()
    city.step()
    assert city.nodes["a"].done == ["get", "ping"] and city.nodes["a"].forged == 0


def test_an_order_that_a_technicians_made_void_is_signed_anew_when_it_is_harmless(city: City) -> None:
    city.nodes["a"].counter = city.now_ms + 120_000  # an order over the cable, by a clock a little ahead
    city.order("a", "get")
    city.order("b", "restart")
    city.nodes["b"].counter = city.now_ms + 120_000
    city.desk.reload()
    city.pass_(3000)
    assert city.nodes["a"].done == ["get"]
    assert city.nodes["b"].done == [], "a restart that may have been done is never done again"


def test_an_order_expires_and_says_what_is_known(city: City) -> None:
    city.nodes["a"].away = True
    city.order("a", "restart", within_s=100)
    city.desk.reload()
    city.step()
    fields = wire.decode(city.sent[0][1]).fields
    assert fields["expires_s"] == (city.now_ms - 10_000) // 1000 + 100
    city.step(200)
    assert orders(city)[0].state == EXPIRED and "may have been carried out" in orders(city)[0].result


def test_what_no_frame_can_carry_and_a_node_without_key_fail_at_once(city: City) -> None:
    city.book.add_order("a", "config", {"body": "x" * 1200}, "test", city.now_ms, city.now_ms + 10**6)
    city.book.add_order("stranger", "command", {"name": "ping", "args": "{}"}, "test", city.now_ms, city.now_ms + 10**6)
    city.desk.reload()
    city.step()
    assert [orders(city, node)[0].state for node in ("a", "stranger")] == [FAILED, FAILED]


def test_a_configuration_is_the_next_generation_and_stays_it(city: City) -> None:
    city.nodes["a"].health()
    city.book.add_order("a", "config", {"body": "{}"}, "test", city.now_ms, city.now_ms + 10**6)
    city.desk.reload()
    city.step(deliver=False)
    first = city.sent[0][1]
    assert wire.decode(first).fields["generation"] == 5
    city.nodes["a"].health()
    city.step(30)
    assert city.sent[0][1] == first


def test_a_bundle_goes_in_windows_and_from_what_is_held_after_a_loss(city: City) -> None:
    city.nodes["a"].health()
    city.nodes["a"].deaf = 0
    city.step()
    city.book.add_order("a", "update", {"bundle": 32}, "test", city.now_ms, city.now_ms + 10**8)
    city.desk.reload()
    city.step()
    assert len(city.sent) == 16
    city.nodes["a"].deaf = 3  # of the next window: the first three chunks
    for _ in range(12):
        city.nodes["a"].health()
        city.step(30)
    node = city.nodes["a"]
    assert node.release == 2 and orders(city)[0].state == DONE
    assert node.got <= -(-SIZE // 800) + 16 + 13, "one window was sent twice, no more"


def test_a_bridge_killed_in_the_middle_of_a_bundle_goes_on_where_the_node_is(city: City) -> None:
    city.book.add_order("a", "update", {"bundle": 32}, "test", city.now_ms, city.now_ms + 10**8)
    city.desk.reload()
    city.step()
    city.step()
    assert city.nodes["a"].have == 2 * WINDOW
    city.kill()
    city.step()
    assert wire.decode(city.sent[0][1]).fields["offset"] in {WINDOW, 2 * WINDOW}
    for _ in range(8):
        city.nodes["a"].health()
        city.step(30)
    assert city.nodes["a"].release == 2


def test_a_slow_node_holds_nobody_and_the_rate_has_a_bound(tmp_path: Path) -> None:
    nodes = [Node(f"n{number}") for number in range(6)]
    nodes[0].away = True
    city = City(tmp_path, *nodes, limits=Limits(nodes=1, bytes_s=3_000, burst_s=10))
    for node in nodes:
        city.book.add_order(node.name, "update", {"bundle": 32}, "test", city.now_ms, city.now_ms + 10**8)
    city.desk.reload()
    for _ in range(150):
        for node in nodes:
            node.health()
        city.step(10)
        assert sum(len(data) for _, data in city.sent) < 33_000
    assert [node.release for node in nodes] == [1, 2, 2, 2, 2, 2]
    city.book.close()


def test_what_a_node_said_is_kept_and_a_backlog_does_not_undo_it(city: City) -> None:
    node = city.nodes["a"]
    node.health()
    old = node.said.pop()
    node.boot, node.seq, node.release = 3, 0, 2
    node.health(setup=1)
    node.say(T.K_COMMISSIONING, {"id": 7, "body": '{"who":"regu-3"}'})
    city.step()
    city.desk.take("a", old, city.now_ms)
    state = city.book.node("a")
    assert state is not None and (state.boot, state.release, state.setup) == (3, 2, 1)
    assert city.book.commissionings("a")[0]["body"] == '{"who":"regu-3"}'


def test_a_node_of_another_bridge_is_not_told_and_not_expired(tmp_path: Path) -> None:
    from pantau.downlink import Downlink
    from pantau.fleet.desk import Desk

    city = City(tmp_path, Node("a"), Node("b"))
    city.order("a", "ping", within_s=10)
    city.order("b", "ping", within_s=1000)
    city.now_ms += 60_000
    ours = Desk(city.book, Downlink(city.keys, lambda: city.now_ms), holds=lambda node: node == "b")
    assert [node for node, _ in ours.due(city.now_ms)] == ["b"]
    assert orders(city)[0].ended_ms is None
    city.book.close()


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "x.sqlite3") as db:
        db.execute("CREATE TABLE t (a)")
    db.close()
    with pytest.raises(StoreError, match="no fleet book"):
        Book(tmp_path / "x.sqlite3")

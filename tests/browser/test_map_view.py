"""The map in a real browser: what it draws of whom, that calling stations are never hidden, and the operator's basemap.

A canvas has no elements: `where(id)` of the map says where a station is drawn and how, and pictures' pixels are looked at.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from basemap_kit import archive, collection, feature, geojson_folder, write
from city_rig import XSS, City, serving
from page_rig import Eyes
from pantau_wire import names as T

# What is drawn is counted from here on: the strokes and fills of the stations' canvas.
COUNTING = """() => {
  const canvas = document.querySelector('.leaflet-stations-pane canvas');
  const ctx = canvas.getContext('2d');
  window.drawn = 0;
  const fill = ctx.fillText.bind(ctx);
  ctx.fillText = (...given) => { window.drawn += 1; return fill(...given); };
}"""
INK = """([name, x, y]) => {
  const found = [...document.querySelectorAll(`.leaflet-${name}-pane canvas`)].map((canvas) => {
    const box = canvas.getBoundingClientRect();
    const sharp = canvas.width / box.width;
    const data = canvas.getContext('2d').getImageData(Math.round((x - box.left) * sharp), Math.round((y - box.top) * sharp), 1, 1).data;
    return [...data];
  });
  return found.filter(([, , , alpha]) => alpha > 0);
}"""


@pytest.fixture
def room(browser, tmp_path):
    """room(registry, path, fill=...) -> (city, page); closed with what it complained about looked at."""
    opened = []

    def open_(path="?lang=en&theme=light", *, fill=None, registry=None, basemap=None, **more):
        city = City(tmp_path, basemap=basemap) if registry is None else City(tmp_path, registry, basemap=basemap)
        if fill is not None:
            fill(city)
        server = serving(city.app)
        eyes = Eyes(browser, server.__enter__(), tmp_path)
        opened.append((city, server, eyes))
        page = eyes.open(path, **more)
        expect(page.locator("#live")).to_have_attribute("data-live", "live")
        return city, page, eyes

    yield open_
    for city, server, eyes in opened:
        complaints = [one for one in eyes.complaints() if "404" not in one and "willReadFrequently" not in one]
        server.__exit__(None, None, None)
        city.close()
        assert complaints == []


def where(page, station):
    return page.evaluate("id => document.querySelector('.citymap').where(id)", station)


def on_page(page, station):
    box = page.locator(".citymap").bounding_box()
    found = where(page, station)
    return box["x"] + found["x"], box["y"] + found["y"]


def hover(page, station):
    """Rest on a station as a hand does, which is never still: Leaflet looks at the pointer every 32 ms at most."""
    x, y = on_page(page, station)
    page.mouse.move(x, y, steps=20)
    for tremble in range(20):
        page.mouse.move(x + tremble % 2, y)
        page.evaluate("() => new Promise((done) => requestAnimationFrame(done))")


def until(page, condition):
    page.wait_for_function(f"() => {condition}", timeout=8000)


def registry(count, places=None):
    """Stations in a row, or all at `places`[number]; every third is of another domain."""
    parts = []
    for number in range(count):
        lat, lon = (-6.17, 106.60 + number * 0.01) if places is None else places[number]
        domain = ("flood", "traffic", "air")[number % 3]
        parts.append(
            f'[[station]]\nid = "s{number}"\nname = "Station {number}"\ndomain = "{domain}"\nlatitude = {lat}\nlongitude = {lon}\n'
            f'report_interval_s = 60\n[[node]]\nid = "n{number}"\nstation = "s{number}"\n'
        )
    return "\n".join(parts)


def feed(city, number, **more):
    columns = ({T.WATER_DISTANCE: [4000]}, {T.VEHICLE_COUNT_APPROACHING: [4]}, {T.PM2_5: [300]})[number % 3]
    city.feed(f"n{number}", columns, **more)


def five(city):
    """Something of everything: an alarm, a fault is not needed, traffic, a late one and one that was never heard."""
    city.feed("flood-01", {T.WATER_DISTANCE: [4600 - 30 * i for i in range(30)]}, alarm=True)
    city.feed("flood-02", {T.WATER_DISTANCE: [3000]})
    city.feed("traffic-01", {T.VEHICLE_COUNT_APPROACHING: [13]})
    city.feed("air-01", {T.PM2_5: [300]}, ago_s=150)


def test_states_shapes_and_severities_are_drawn(room):
    _, page, eyes = room(fill=five)
    looks = {name: where(page, name) for name in ("pintu-air-10", "sudirman", "alun-alun", "cikokol")}
    assert (looks["pintu-air-10"]["state"], looks["pintu-air-10"]["domain"]) == ("alarm", "flood")
    assert looks["pintu-air-10"]["severity"] >= 3
    assert (looks["sudirman"]["state"], looks["sudirman"]["stale"]) == ("ok", False)
    assert (looks["alun-alun"]["state"], looks["alun-alun"]["stale"]) == ("late", True)
    assert (looks["cikokol"]["state"], looks["cikokol"]["stale"]) == ("offline", True)
    # In pixels: what is fresh is filled with its state's colour, what is late or offline has lost it.
    x, y = on_page(page, "sudirman")
    assert page.evaluate(INK, ["stations", x - 4, y - 4])[0][:3] == [22, 115, 63]
    x, y = on_page(page, "cikokol")
    assert page.evaluate(INK, ["stations", x, y - 5.5])[0][:3] == [255, 255, 255]
    eyes.picture(page, "map-light")


def test_a_tooltip_says_name_state_value_and_age_as_text_and_a_click_opens_the_station(room):
    _, page, _ = room(fill=five)
    hover(page, "angke")
    tip = page.locator(".maptip")
    expect(tip).to_contain_text(XSS)  # as written: it never became markup
    expect(tip).to_contain_text("ago")
    hover(page, "sudirman")
    expect(tip).to_contain_text("Jl. Sudirman")
    expect(tip).to_contain_text("13 veh.")
    page.mouse.click(*on_page(page, "sudirman"))
    until(page, "location.hash === '#/station/sudirman'")
    assert where(page, "sudirman")["selected"]
    assert page.title() == "Kota Tangerang"


def test_calm_stations_gather_and_calling_ones_never_do(room):
    spot = [(-6.17, 106.60)] * 12 + [(-6.30, 106.80)]

    def fill(city):
        for number in range(13):
            feed(city, number, alarm=number in (0, 3, 6) and number % 3 == 0)

    _, page, eyes = room(registry=registry(13, spot), fill=fill)
    looks = [where(page, f"s{number}") for number in range(13)]
    calling = [look for look in looks if look["state"] == "alarm"]
    assert len(calling) == 3 and all(look["cluster"] == 0 for look in calling)
    places = {(round(look["x"]), round(look["y"])) for look in calling}
    assert len(places) == 3  # fanned out
    apart = [(a, b) for a in calling for b in calling if a is not b]
    assert min((a["x"] - b["x"]) ** 2 + (a["y"] - b["y"]) ** 2 for a, b in apart) > 40**2
    assert sorted(look["cluster"] for look in looks) == [0] * 4 + [9] * 9
    cluster = next(look for look in looks if look["cluster"])
    assert all((look["x"] - cluster["x"]) ** 2 + (look["y"] - cluster["y"]) ** 2 > 35**2 for look in calling)
    eyes.picture(page, "map-cluster")
    # Closer than streets the cluster opens as a fan: nobody stays hidden.
    box = page.locator(".citymap").bounding_box()
    page.mouse.click(box["x"] + cluster["x"], box["y"] + cluster["y"])
    until(page, "document.querySelector('.citymap').where('s1').cluster === 0")
    looks = [where(page, f"s{number}") for number in range(12)]
    assert len({(round(look["x"]), round(look["y"])) for look in looks}) == 12


def test_fifty_changes_draw_fifty_signs(room):
    def fill(city):
        for number in range(60):
            feed(city, number, ago_s=110)

    places = [(-6.10 - 0.02 * (number // 10), 106.55 + 0.02 * (number % 10)) for number in range(60)]
    city, page, _ = room(registry=registry(60, places), fill=fill)
    until(page, "document.querySelector('.citymap').where('s0').cluster === 0")
    page.evaluate(COUNTING)
    city.now_s += 2
    feed(city, 1)  # the next report of a healthy station looks the same on the map
    page.wait_for_timeout(700)
    assert page.evaluate("window.drawn") <= 4
    feed(city, 30, alarm=True)
    until(page, "document.querySelector('.citymap').where('s30').state === 'alarm'")


def test_a_station_that_falls_silent_loses_its_colour_without_a_message(room):
    _, page, _ = room(fill=lambda city: city.feed("traffic-01", {T.VEHICLE_COUNT_APPROACHING: [13]}))
    assert where(page, "sudirman")["state"] == "ok"
    page.clock.install()
    page.clock.fast_forward(130_000)
    until(page, "document.querySelector('.citymap').where('sudirman').stale")
    assert where(page, "sudirman")["state"] == "late"


def test_without_a_basemap_degrees_scale_and_names_are_there(room):
    _, page, eyes = room("?lang=id&theme=dark", fill=five)
    expect(page.locator(".mapfoot .source")).to_have_text("Peta dasar belum dipasang: hanya derajat dan stasiun")
    expect(page.locator(".leaflet-control-scale-line")).to_contain_text("km")
    page.mouse.move(*on_page(page, "sudirman"))
    expect(page.locator(".pointer")).to_contain_text("LS")
    expect(page.locator(".pointer")).to_contain_text("106°38′5")
    ink = "name => { const c = document.querySelector('.' + name); return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0); }"
    assert page.evaluate(ink, "graticule") and page.evaluate(ink, "names")
    eyes.picture(page, "map-dark")


def test_keys_move_the_map_and_it_says_where_the_list_is(room):
    _, page, _ = room(fill=five)
    host = page.locator(".citymap")
    expect(host).to_have_attribute("role", "application")
    expect(host).to_have_accessible_name("Map of the stations")
    expect(page.locator("#map-help")).to_contain_text("Stations lists every station")
    before = where(page, "sudirman")
    host.focus()
    page.keyboard.press("ArrowRight")
    until(page, f"document.querySelector('.citymap').where('sudirman').x < {before['x'] - 40}")
    page.get_by_role("button", name="Show the whole city").click()
    until(page, f"Math.abs(document.querySelector('.citymap').where('sudirman').x - {before['x']}) < 2")


def test_geojson_and_vector_tiles_are_drawn_in_the_themes_colours(room, tmp_path):
    folder = geojson_folder(tmp_path / "basemap")
    archive(folder / "tiles.pmtiles")
    write(folder / "broken.geojson", collection(feature("Point", [700_000, 1])))
    _, page, eyes = room(fill=five, basemap=folder)
    expect(page.locator(".mapfoot .source")).to_have_text("Test rings, public domain · Shapes by nobody & no one")
    expect(page.locator(".mapfoot .wrong")).to_contain_text("could not be used: 1")
    until(page, "document.querySelectorAll('.leaflet-basemap-pane .leaflet-tile-loaded').length > 0")
    water = """colour => [...document.querySelectorAll('.leaflet-basemap-pane .leaflet-tile-loaded')].some((canvas) => {
      const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      for (let at = 0; at < data.length; at += 4) if (colour.every((value, part) => data[at + part] === value)) return true;
      return false;
    })"""
    assert page.evaluate(water, [0xC3, 0xDC, 0xEC])
    page.wait_for_timeout(300)
    eyes.picture(page, "map-basemap-light")
    page.locator("#theme").click()
    assert page.evaluate(water, [0x1B, 0x3A, 0x52])
    page.wait_for_timeout(300)
    eyes.picture(page, "map-basemap-dark")


@pytest.mark.long
def test_raster_tiles_are_shown_as_images_of_this_server(room, tmp_path):
    folder = tmp_path / "basemap"
    folder.mkdir()
    archive(folder / "tiles.pmtiles", "raster", zooms=(9, 11))
    _, page, eyes = room(fill=five, basemap=folder)
    until(page, "document.querySelectorAll('.rastertiles img.leaflet-tile-loaded').length > 0")
    sources = page.evaluate(
        "[...document.querySelectorAll('.rastertiles img')].map(image => new URL(image.src).pathname)"
    )
    assert all(path.startswith("/basemap/11/") for path in sources)  # closer than the file goes: its closest, larger
    eyes.picture(page, "map-raster")


def test_the_phone_has_the_map_for_itself(room):
    _, page, eyes = room("?lang=id&theme=light", fill=five, width=390, height=780, phone=True)
    box = page.locator(".citymap").bounding_box()
    assert box["width"] == 390 and box["height"] > 500
    for button in page.locator(".leaflet-control a, .leaflet-control button").all():
        assert min(button.bounding_box()["width"], button.bounding_box()["height"]) >= 44
    expect(page.locator(".maplegend")).not_to_have_attribute("open", "")
    page.touchscreen.tap(*on_page(page, "sudirman"))
    until(page, "location.hash === '#/station/sudirman'")
    eyes.complaints()

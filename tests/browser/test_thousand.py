"""A thousand stations on the page: what it weighs, when it paints, how long a frame takes, beside the same page with ten.

The figures go to thousand.json beside the pictures (PANTAU_PICTURES). Weight is judged here; times are for people to read,
and say little on a machine that does something else meanwhile.
"""

from __future__ import annotations

import gzip
import json
import urllib.request

import pytest
from playwright.sync_api import expect

from city_rig import City, serving
from page_rig import Eyes, chromium
from pantau_wire import names as T

MANY, FEW = 1000, 10
MOST_BYTES = 60_000
# Moves of a hand over the map while the page notes when each frame came.
FRAMES = """async () => {
  const at = [];
  let on = true;
  const note = (now) => { at.push(now); if (on) requestAnimationFrame(note); };
  requestAnimationFrame(note);
  const map = document.querySelector('.leaflet-container');
  const box = map.getBoundingClientRect();
  const wait = () => new Promise((done) => requestAnimationFrame(done));
  const send = (kind, x, y, more = {}) => (document.elementFromPoint(x, y) ?? map).dispatchEvent(
    new MouseEvent(kind, { bubbles: true, clientX: x, clientY: y, button: 0, buttons: 1, ...more }));
  let x = box.left + box.width / 2;
  const y = box.top + box.height / 2;
  send('mousedown', x, y);
  const pane = map.querySelector('.leaflet-map-pane');
  const before = pane.style.transform;
  for (let step = 0; step < 90; step += 1) {
    x += step < 45 ? 4 : -4;
    send('mousemove', x, y);
    await wait();
    if (step === 44 && pane.style.transform === before) throw new Error('the map did not move');
  }
  send('mouseup', x, y);
  on = false;
  return at.slice(1).map((now, place) => now - at[place]);
}"""


def registry(count):
    parts = []
    for number in range(count):
        name = f"s{number:04}"
        lat, lon = -6.10 - 0.17 * (number // 40) / 25, 106.56 + 0.19 * (number % 40) / 40
        domain = ("flood", "traffic", "air")[number % 3]
        parts.append(
            f'[[station]]\nid = "{name}"\nname = "Station {number}"\ndomain = "{domain}"\nlatitude = {lat:.6f}\nlongitude = {lon:.6f}\n'
            f'report_interval_s = 60\n[[node]]\nid = "n{number:04}"\nstation = "{name}"\n'
        )
    return "\n".join(parts)


def feed(city, numbers):
    for number in numbers:
        columns = (
            {T.WATER_DISTANCE: [3000 + number]},
            {T.VEHICLE_COUNT_APPROACHING: [number % 40], T.VEHICLE_SPEED_MEAN: [310]},
            {T.PM2_5: [300 + number % 200], T.PM10: [610]},
        )
        city.feed(f"n{number:04}", columns[number % 3])


@pytest.fixture
def figures(tmp_path):
    """measure(browser, count) -> figures of a page with so many stations."""

    def measure(browser, count):
        folder = tmp_path / str(count)
        folder.mkdir()
        city = City(folder, registry(count))
        feed(city, range(count))
        try:
            with serving(city.app) as url:
                request = urllib.request.Request(url + "api/stations.geojson", headers={"accept-encoding": "gzip"})
                with urllib.request.urlopen(request) as answer:
                    packed = answer.read()
                eyes = Eyes(browser, url, tmp_path)
                page = eyes.open("?lang=en&theme=light")
                expect(page.locator("#strip")).to_contain_text(f"{count:,} / {count:,}")
                page.wait_for_timeout(500)
                paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
                frames = sorted(page.evaluate(FRAMES))
                # Fifty stations report within a second, as a city of a thousand with half-minute reports does.
                city.now_s += 1
                feed(city, range(0, count, max(1, count // 50)))
                busy = sorted(page.evaluate(FRAMES))
                eyes.picture(page, f"stations-{count}")
                assert eyes.complaints() == []
        finally:
            city.close()
        return {
            "stations": count,
            "bytes": len(gzip.decompress(packed)),
            "bytes_gzip": len(packed),
            "first_paint_ms": round(paint),
            "frame_p50_ms": round(frames[len(frames) // 2], 1),
            "frame_p95_ms": round(frames[int(len(frames) * 0.95)], 1),
            "frame_p95_with_reports_ms": round(busy[int(len(busy) * 0.95)], 1),
            "frames": len(frames),
        }

    return measure


def test_a_thousand_stations_are_light(figures, tmp_path):
    with chromium() as browser:
        few, many = figures(browser, FEW), figures(browser, MANY)
        pictures = Eyes(browser, "", tmp_path).pictures
    ratio = {name: round(many[name] / few[name], 2) for name in ("first_paint_ms", "frame_p50_ms", "frame_p95_ms")}
    told = {"few": few, "many": many, "ratio": ratio}
    pictures.mkdir(parents=True, exist_ok=True)
    (pictures / "thousand.json").write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(told))
    assert many["bytes_gzip"] <= MOST_BYTES
    assert many["frames"] >= 60 and few["frames"] >= 60

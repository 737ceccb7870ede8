"""`pantau node`: a station's series goes on when its board changes, and the registry stays as people wrote it."""

from __future__ import annotations

import stat

import pytest
from click.testing import CliRunner

from pantau import keys as key_file
from pantau import registry
from pantau.cli import pantau
from pantau.keys import Keys
from pantau.registry import edit

AT = "2026-07-01T10:00:00+07:00"
AT_MS = 1_782_874_800_000

REGISTRY = """# the city's stations

[[station]]
id = "angke"
name = "Kali Angke"   # by the bridge
domain = "flood"
latitude = -6.2
longitude = 106.6
sensor_height_m = 4.0

[[node]]
id = "flood-01"  # solar board
station = "angke"
from = 2026-01-01T00:00:00+07:00
# to = ...

# the second place
[[station]]
id = "ciledug"
name = "Ciledug"
domain = "air"
latitude = -6.21
longitude = 106.7

[[sensor]]
station = "angke"
node = "flood-01"
model = "a02yyuw"
properties = [
  "water_distance",
  # not yet: temperature
]

[[calibration]]
station = "angke"
version = 1
sensor_height_m = 4.1
"""

KEY = bytes(range(32))


@pytest.fixture
def city(tmp_path):
    (tmp_path / "pantau.toml").write_text('[bridge]\ncity = "tng"\n[mqtt]\nhost = "h"\n')
    (tmp_path / "registry.toml").write_text(REGISTRY)
    key_file.save(tmp_path / "keys.json", Keys({n: ({0: KEY}, 0) for n in ("flood-01", "flood-02", "air-02")}))
    return tmp_path


def run(folder, *words):
    return CliRunner().invoke(pantau, ["node", *words, "-c", str(folder / "pantau.toml")])


def replace(folder, *words):
    return run(folder, "replace", *words)


def text(folder):
    return (folder / "registry.toml").read_text()


def put(folder, content):
    (folder / "registry.toml").write_text(content)


def test_the_series_goes_on_with_calibration_and_sensors(city):
    (city / "registry.toml").chmod(0o640)
    said = replace(city, "angke", "--node", "flood-02", "--at", AT)
    assert said.exit_code == 0, said.output
    assert "flood-01 leaves angke, flood-02 comes; 1 sensors go over to it." in said.output
    found = registry.load(city / "registry.toml")
    assert [found.nodes_at("angke", AT_MS + ms) for ms in (-1, 0)] == [("flood-01",), ("flood-02",)]
    assert found.station_of("flood-02", AT_MS) is found.station_of("flood-01", AT_MS - 1)
    assert found.station_of("flood-02", AT_MS).sensor_height_m == 4.1
    assert [[s.node for s in found.sensors_at("angke", AT_MS + ms)] for ms in (-1, 0)] == [["flood-01"], ["flood-02"]]
    assert stat.S_IMODE((city / "registry.toml").stat().st_mode) == 0o640
    assert sorted(entry.name for entry in city.iterdir()) == ["keys.json", "pantau.toml", "registry.toml"]


def test_nothing_that_people_wrote_is_touched(city):
    replace(city, "angke", "--node", "flood-02", "--at", "2026-07-01T03:00:00Z")
    after = text(city)
    new_node = f'to = {AT}\n\n[[node]]\nid = "flood-02"\nstation = "angke"\nfrom = {AT}\n'  # in the offset of the file
    new_sensor = f'to = {AT}\n\n[[sensor]]\nstation = "angke"\nnode = "flood-02"\nmodel = "a02yyuw"\n'
    new_sensor += f'properties = ["water_distance"]\nfrom = {AT}\n'
    assert after.replace(new_node, "").replace(new_sensor, "") == REGISTRY


def test_a_dry_run_shows_the_change_and_writes_nothing(city):
    said = replace(city, "angke", "--node", "flood-02", "--at", AT, "--dry-run")
    assert said.exit_code == 0
    assert "@@ -12,6 +12,12 @@" in said.output and f"+to = {AT}" in said.output
    assert text(city) == REGISTRY


def test_a_planned_end_goes_over_to_the_new_node(city):
    put(city, REGISTRY.replace("# to = ...", "to = 2027-01-01T00:00:00+07:00  # contract"))
    assert replace(city, "angke", "--node", "flood-02", "--at", AT).exit_code == 0
    assert f"to = {AT}  # contract" in text(city)
    found = registry.load(city / "registry.toml")
    assert found.placements("flood-02")[0].end_ms == 1_798_736_400_000


def test_windows_line_ends_and_no_last_one(city):
    (city / "registry.toml").write_bytes(REGISTRY.rstrip().replace("\n", "\r\n").encode())
    assert replace(city, "angke", "--node", "flood-02").exit_code == 0
    content = (city / "registry.toml").read_bytes()
    assert content.count(b"\r\n") == content.count(b"\n")
    assert registry.load(city / "registry.toml").nodes == ("flood-01", "flood-02")


def test_a_place_that_nobody_held(city):
    said = replace(city, "ciledug", "--node", "air-02", "--at", AT)
    assert "No node stood at ciledug then, air-02 comes." in said.output
    put(city, REGISTRY.split("[[node]]", maxsplit=1)[0])
    assert replace(city, "angke", "--node", "flood-02").exit_code == 0
    assert registry.load(city / "registry.toml").nodes == ("flood-02",)


def test_late_bookkeeping_says_how_to_get_what_was_refused(city):
    assert "quarantine replay" in replace(city, "angke", "--node", "flood-02", "--at", "2026-02-01T00:00Z").output
    put(city, REGISTRY)
    assert "quarantine replay" not in replace(city, "angke", "--node", "flood-02").output


@pytest.mark.parametrize(
    "words, says",
    [
        (["angke", "--node", "flood-09"], "flood-09 has no key"),
        (["nowhere", "--node", "flood-02"], "no station has the id nowhere"),
        (["angke", "--node", "flood-01"], "stands at angke already"),
        (["angke", "--node", "flood-02", "--old", "air-02"], "air-02 does not stand at angke"),
        (["ciledug", "--node", "flood-01"], "flood-01 is still at angke"),
        (["angke", "--node", "flood-02", "--at", "2026-07-01T10:00"], "give the zone"),
        (["angke", "--node", "flood-02", "--at", "morning"], "give a time"),
        (["angke", "--node", "flood-02", "--at", "0001-01-01T00:00+07:00"], "no nodes in the year 1"),
        (["angke", "--node", "flood-02", "--old", "flood-01", "--at", "2025-07-01T10:00Z"], "nobody stands there"),
        (["angke", "--node", "flood-02", "--at", "2026-01-01T00:00+07:00"], "not after from"),
    ],
)
def test_what_is_refused_changes_nothing(city, words, says):
    said = replace(city, *words)
    assert said.exit_code == 2 and says in said.output, said.output
    assert text(city) == REGISTRY


def test_of_several_nodes_the_one_that_leaves_is_named(city):
    two = REGISTRY + '[[node]]\nid = "air-02"\nstation = "angke"\n'
    put(city, two)
    said = replace(city, "angke", "--node", "flood-02")
    assert said.exit_code == 2 and "--old flood-01 | air-02" in said.output
    assert replace(city, "angke", "--node", "flood-02", "--old", "air-02", "--at", AT).exit_code == 0
    assert registry.load(city / "registry.toml").nodes_at("angke", AT_MS) == ("flood-01", "flood-02")


@pytest.mark.parametrize(
    "old, new",
    [
        ('name = "Kali Angke"   # by the bridge', 'name = """\\\n[[node]]\n"""'),
        ('[[node]]\nid = "flood-01"', '[["n\\u006fde"]]\nid = "flood-01"'),
        ('id = "flood-01"  #', '"id" = "flood-01"  #'),
    ],
)
def test_a_form_that_lines_do_not_show_is_refused_or_right(city, old, new):
    assert old in REGISTRY
    put(city, REGISTRY.replace(old, new))
    before = text(city)
    said = replace(city, "angke", "--node", "flood-02", "--at", AT)
    if said.exit_code:
        assert "by hand" in said.output or "to correct" in said.output
        assert text(city) == before
    else:
        assert registry.load(city / "registry.toml").nodes_at("angke", AT_MS) == ("flood-02",)


def test_a_change_by_somebody_else_meanwhile_is_not_lost(city, monkeypatch):
    real = edit.replace_node

    def meanwhile(content, *args, **options):
        put(city, REGISTRY + "# theirs\n")
        return real(content, *args, **options)

    monkeypatch.setattr("pantau.cli.node.replace.replace_node", meanwhile)
    said = replace(city, "angke", "--node", "flood-02")
    assert said.exit_code == 1 and "run the command again" in said.output
    assert text(city) == REGISTRY + "# theirs\n"


def test_a_full_disk_leaves_the_old_file(city, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    said = replace(city, "angke", "--node", "flood-02")
    assert said.exit_code == 1 and "No space left" in said.output
    assert text(city) == REGISTRY
    assert len(list(city.iterdir())) == 3


def test_a_linked_registry_is_edited_where_it_is(city):
    (city / "real.toml").write_text(REGISTRY)
    (city / "registry.toml").unlink()
    (city / "registry.toml").symlink_to("real.toml")
    assert replace(city, "angke", "--node", "flood-02").exit_code == 0
    assert (city / "registry.toml").is_symlink() and "flood-02" in (city / "real.toml").read_text()


def test_the_list_shows_nodes_their_keys_and_empty_stations(city):
    put(city, REGISTRY + '[[node]]\nid = "flood-07"\nstation = "angke"\nto = 2026-02-01T00:00:00Z\n')
    said = run(city, "placed").output
    assert "flood-01" in said and "2025-12-31 17:00" in said and "flood-07" not in said
    assert "without a node now: ciledug" in said
    assert "none: enrol it" in run(city, "placed", "--all").output
    assert run(city, "placed", "--station", "x").exit_code == 2

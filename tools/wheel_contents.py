"""Run inside the clean venv: the installed wheel has the firmware and the schema files that commands read."""

import sys
from importlib.resources import files

wanted = {
    "pantau": (
        "_firmware/main.py",
        "_firmware/pantau_boot.py",
        "_firmware/pantau_node/app.py",
        "mapping/units.toml",
        "mapping/properties.toml",
    ),
    "pantau_wire": ("properties.toml", "frames.toml"),
}
missing = [
    f"{package}/{name}" for package, names in wanted.items() for name in names if not (files(package) / name).is_file()
]
for name in missing:
    print(f"not in the wheel: {name}")
sys.exit(bool(missing))

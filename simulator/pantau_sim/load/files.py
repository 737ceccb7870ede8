"""The files that a bridge needs for a fleet: registry.toml and keys.json, and a pantau.toml to start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pantau_sim.load.frames import Fleet


def write_registry(folder: Path, fleet: Fleet) -> None:
    """Write registry.toml and keys.json (mode 0600) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "registry.toml").write_text(fleet.registry_toml(), encoding="utf-8")
    private(folder / "keys.json", fleet.keys_json())


def private(path: Path, text: str) -> None:
    """Write `text` to a file that was never open to others."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def write_bridge(folder: Path, fleet: Fleet, mqtt: str, *, extra: str = "") -> Path:
    """Write pantau.toml beside registry and keys and return it; `mqtt` are the lines of its [mqtt] table.

    `extra` is TOML for further tables; without it there is no page.
    """
    write_registry(folder, fleet)
    config = folder / "pantau.toml"
    rest = extra or "[web]\nenabled = false\n"
    config.write_text(f'[bridge]\ncity = "{fleet.city}"\n\n[mqtt]\n{mqtt.strip()}\n\n{rest}', encoding="utf-8")
    return config

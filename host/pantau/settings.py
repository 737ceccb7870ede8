"""Types of values that every table of pantau.toml may use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo


def _beside_file(path: Path, info: ValidationInfo) -> Path:
    """Resolve a relative path from the folder of the configuration file, wherever the command was started."""
    return Path(info.context["base"] / path) if info.context else path


FilePath = Annotated[Path, Field(strict=False), AfterValidator(_beside_file)]
MAX_PORT = 65_535
Port = Annotated[int, Field(ge=1, le=MAX_PORT)]

"""[cap] of pantau.toml: in whose name the CAP feed speaks, and whether it means it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from pantau.problems import Table

if TYPE_CHECKING:
    from typing import Self

# CAP 1.2, 3.2.1: no spaces, commas, < and & in a sender; it stands in references, which are split there.
Sender = Annotated[str, Field(pattern=r"^[A-Za-z0-9.@:/_-]{3,100}$")]


class CapTable(Table):
    """The feed. It says Test until the operator says who is speaking and that it is Actual.

    `radius_km` is how far around a station the operator wants people to feel meant; a station itself knows a point.
    `technical` also publishes silent stations, faulty sensors and low batteries, which the public cannot act on.
    """

    status: Literal["Actual", "Exercise", "System", "Test"] = "Test"
    sender: Sender | None = None  # None: pantau-<city>
    sender_name: Annotated[str, Field(max_length=200)] = ""
    contact: Annotated[str, Field(max_length=200)] = ""
    zone: Literal["WIB", "WITA", "WIT", "UTC"] = "WIB"
    radius_km: Annotated[float, Field(ge=0, le=100)] = 1.0
    technical: bool = False

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.status == "Actual" and (self.sender is None or not self.sender_name):
            msg = (
                'status = "Actual" without sender and sender_name; set both: a domain name of the agency, as bpbd.example.go.id, '
                "and what people call it"
            )
            raise ValueError(msg)
        return self

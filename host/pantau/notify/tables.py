"""[notify] of pantau.toml: one list of tables for each kind of channel, named as its file."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from pantau.notify.mail import MailTable
from pantau.notify.mqtt import MqttNoticeTable
from pantau.notify.settings import ChannelTable
from pantau.notify.siren import SirenTable
from pantau.notify.webhook import WebhookTable
from pantau.problems import Table

if TYPE_CHECKING:
    from typing import Self


class NotifyTable(Table):
    """Who is told of alerts."""

    keep_days: Annotated[int, Field(ge=1, le=3650)] = 400
    webhook: list[WebhookTable] = Field(default_factory=list)
    mail: list[MailTable] = Field(default_factory=list)
    mqtt: list[MqttNoticeTable] = Field(default_factory=list)
    siren: list[SirenTable] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_name_each(self) -> Self:
        names = Counter(table.name for _, _, table in self.listed())
        for name, count in names.items():
            if count > 1:
                msg = f"{count} channels are named {name}; give each a name of its own, for the log goes by it"
                raise ValueError(msg)
        return self

    def listed(self) -> list[tuple[str, int, ChannelTable]]:
        """Return every channel: its kind, its place in the list, its table."""
        found = []
        for kind in type(self).model_fields:
            tables = getattr(self, kind)
            if isinstance(tables, list):
                found += [(kind, index, table) for index, table in enumerate(tables)]
        return found

"""What sensors see wrongly without a byte being wrong. One file an ailment; scenario files name them (`kind`).

`ill` puts them between the truth of a station and its emulators; `mix` draws the false floods of a street.
"""

from pantau_sim.ailments.base import Ailment, Truth
from pantau_sim.ailments.catalog import KINDS, kind
from pantau_sim.ailments.falseflood import LABELS, label, mix, points
from pantau_sim.ailments.stack import ill, of

__all__ = ["KINDS", "LABELS", "Ailment", "Truth", "ill", "kind", "label", "mix", "of", "points"]

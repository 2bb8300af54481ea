"""The papers' image runs by name: their settings, where they are from, what was chosen, what they cost.

>>> from madtheory.images.runs.presets import PRESETS
>>> PRESETS["mad-mnist-fully-synthetic"].settings("full").generations
20
"""

from __future__ import annotations

from madtheory.images.runs.presets import (
    improved,
    loops,
    mad,
)
from madtheory.images.runs.presets.preset import SCALES, Preset, Scale
from madtheory.images.runs.settings import Centres, Chosen, Improvement, RealData, Settings
from madtheory.validation import check_choice

__all__ = [
    "PRESETS", "SCALES", "Centres", "Chosen", "Improvement", "Preset", "RealData", "Scale", "Settings",
    "named",
]  # fmt: skip

PRESETS: dict[str, Preset] = {
    preset.name: preset for preset in (*mad.PRESETS, *improved.PRESETS, *loops.PRESETS)
}
"""Every preset, by name."""


def get_preset(name: str) -> Preset:
    """Return the preset of a name.

    Raises
    ------
    ValueError
        If there is none.
    """
    check_choice("preset", name, tuple(PRESETS))
    return PRESETS[name]

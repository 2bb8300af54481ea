"""Treatments: changes of synthetic data before the next model is trained on them.

A treatment goes into ``Loop(treatments=...)``: `correct` towards the truth, `project` every point, `verify`,
`curate` by a reward, or keep those of highest score (`keep_best`). It makes a source of treated points from a
model. Several are applied one after another, in the order given; `assign` gives each point one of several,
chosen at random.

Functions of points that draw from the global generators of NumPy, `random` and torch (on the CPU) find them
seeded by the points, so that results repeat; this does not hold for images that are mapped when they are
read.

Points are arrays, or the image sets of `madtheory.images`, which are not copied: `curate` and `verify`
pick images by index, `project` makes a set whose images are mapped when they are read.
"""

from madtheory.treatments.assignment import Assignment, assign
from madtheory.treatments.correction import Correction, correct, detect
from madtheory.treatments.curation import Curation, curate
from madtheory.treatments.ranking import Ranking, keep_best, keep_new, keep_spread
from madtheory.treatments.verification import Projection, Verification, nearest, project, verify

__all__ = [
    "Assignment",
    "Correction",
    "Curation",
    "Projection",
    "Ranking",
    "Verification",
    "assign",
    "correct",
    "curate",
    "detect",
    "keep_best",
    "keep_new",
    "keep_spread",
    "nearest",
    "project",
    "verify",
]

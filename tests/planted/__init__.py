"""The one-line defects that `tests/mutants.py` plants, by room.

For each file: a fragment of it, its wrong twin, and the tests that must notice.
"""

from planted import config, data, evaluation, learning, networks, parallel, reports, studies, tasks, training

PARTS = (learning, networks, data, config, training, parallel, evaluation, tasks, studies, reports)
PLANTED = {file: defects for part in PARTS for file, defects in part.DEFECTS.items()}

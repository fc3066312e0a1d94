"""What all tests share: hypothesis never judges speed, and on CI it searches the same cases every time.

The machine's own settings file, if it has one, is not theirs.
"""

import os

from hypothesis import settings

settings.register_profile("anywhere", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "anywhere")

os.environ["M3ER_SETTINGS"] = os.devnull

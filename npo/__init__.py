"""The front door: the command line, the main job, its claims and its report. Imports every room; none imports it."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is loaded: units side by side have a core each

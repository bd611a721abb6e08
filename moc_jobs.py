#!/usr/bin/env python3
"""The jobs of Money on Chain: python moc_jobs.py [-c config.json] [-n NETWORK]."""

import os
from pathlib import Path

from scheduler.entry import moc_jobs

if __name__ == "__main__":
    # The program is a new interpreter of the same process, which must find this checkout where the
    # package is not installed.
    paths = (str(Path(__file__).resolve().parent), os.environ.get("PYTHONPATH"))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    moc_jobs()

"""The application as worker processes import it; its setting stands in their environment."""

from __future__ import annotations

import os

import msgspec

from benchmarks.application import SETTING, application
from benchmarks.harness.setting import Setting

app = application(msgspec.json.decode(os.environ[SETTING], type=Setting))

"""Django, set up once in a process, for a database in a file."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import pytest


@functools.cache
def django_file() -> Path:
    """Return the file of the database; skip where there is no Django."""
    django = pytest.importorskip("django")
    from django.conf import settings  # noqa: PLC0415  # where it is installed

    file = Path(tempfile.mkdtemp(prefix="torpor-django-")) / "shop.db"
    immediate = {"transaction_mode": "IMMEDIATE"}
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": file, "OPTIONS": immediate}
    settings.configure(DATABASES={"default": database})
    django.setup()
    return file


def django_connection() -> Any:
    """Return Django's connection to it, which is another one in each thread."""
    django_file()
    from django.db import connection  # noqa: PLC0415  # once it is set up

    return connection

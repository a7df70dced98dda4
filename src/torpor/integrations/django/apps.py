"""What Django loads for ``torpor.integrations.django`` in ``INSTALLED_APPS``."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core.checks import Error, register

from torpor.errors import ConfigurationError
from torpor.integrations.django import configured_app


class TorporConfig(AppConfig):
    """Has ``manage.py check`` look whether the settings name an application."""

    name = "torpor.integrations.django"
    label = "torpor"
    verbose_name = "Torpor"

    def ready(self) -> None:
        register(check_settings, "torpor")


def check_settings(**_told: Any) -> list[Error]:
    """Return what is wrong with ``TORPOR`` in the settings."""
    try:
        configured_app()
    except ConfigurationError as error:
        return [Error(str(error), id="torpor.E001")]
    return []

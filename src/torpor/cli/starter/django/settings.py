"""What Django is told; https://docs.djangoproject.com has all that can be said here."""

import os
from pathlib import Path

SECRET_KEY = os.environ.get("SECRET_KEY", "for trying out only")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "web"
INSTALLED_APPS = ["torpor.integrations.django"]
MIDDLEWARE = ["torpor.integrations.django.middleware.ProblemMiddleware"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).parent / "db.sqlite3"}}
TORPOR = {"APP": "app:app"}  # with "WORKER": True the site works on runs, too

"""What the administrator may decide: each setting in `fields`, and how its value is found in `finding`."""

from entrepot.base.settings.fields import FIELDS, Settings, expected, option, sentence
from entrepot.base.settings.finding import (
    ENVIRONMENT_PREFIX,
    SECRETS,
    Found,
    SettingRefused,
    SettingsFileUnreadable,
    SettingUnknown,
    find,
    shown,
    workers,
)

__all__ = [
    "ENVIRONMENT_PREFIX",
    "FIELDS",
    "SECRETS",
    "Found",
    "SettingRefused",
    "SettingUnknown",
    "Settings",
    "SettingsFileUnreadable",
    "expected",
    "find",
    "option",
    "sentence",
    "shown",
    "workers",
]

"""YAML files, those that come with the package and those of users, read safely."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from detect_icd10cm.errors import RulesError

# The C loader is as safe as SafeLoader and ten times as fast, but not part of every PyYAML.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def packaged_file(*path: str) -> Traversable:
    """Return a file of the package, such as ``packaged_file("codes", "synonyms.yaml")``."""
    return resources.files("detect_icd10cm").joinpath(*path)


def read_yaml(file: Traversable) -> Any:
    """Return the content of a YAML file.

    Raises:
        RulesError: If it is no YAML in UTF-8.
    """
    try:
        return yaml.load(file.read_text("utf-8"), Loader=_Loader)  # noqa: S506 - a safe loader, see above
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RulesError(f"{file.name}: expected YAML in UTF-8, found {error}") from error

"""The errors a caller can meet, and the warnings.

::

    DetectError
     ├── NoteError       a note or a note file is not as expected
     ├── CodeSetError    a code, a release or an official file is not as expected
     ├── RulesError      a rules or synonyms YAML file is not as expected
     └── ModelError      a model name or checkpoint is not as expected

Messages say what was found, what was expected and what to do; they never quote note text.
"""


class DetectError(Exception):
    """Base of every error this package raises on purpose."""


class NoteError(DetectError):
    """A note or a note file is not as expected."""


class CodeSetError(DetectError):
    """A code, a release or an official file is not as expected."""


class RulesError(DetectError):
    """A rules or synonyms YAML file is not as expected."""


class ModelError(DetectError):
    """A model name or checkpoint is not as expected."""


class ReleaseWarning(UserWarning):
    """The release in force on a date is not installed; the nearest one is used."""

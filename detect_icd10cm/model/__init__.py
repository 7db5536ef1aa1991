"""What finds mentions in a note. The only room with torch or onnxruntime in it."""

from __future__ import annotations

# The name of the model that needs no checkpoint.
LEXICON = "lexicon"

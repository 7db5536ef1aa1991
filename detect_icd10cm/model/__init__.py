"""What finds mentions in a note. The only room with torch or onnxruntime in it."""

from __future__ import annotations

# The name of the checkpoint that comes with the package, and that of the model that needs none.
BASE, LEXICON = "base", "lexicon"

"""Training of the model: data, synthetic notes, terms, the runs themselves. Used from a clone, never by the package."""

"""Gold against predicted: numbers only, no model."""

"""What follows from the mentions of a note: its code set and the procedures it supports; no model."""

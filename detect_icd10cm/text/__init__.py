"""What can be said of a note before any model: tokens, sections, sentences and assertion."""

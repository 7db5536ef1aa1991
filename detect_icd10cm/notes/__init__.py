"""Notes in, results out: files of many kinds, always as streams."""

"""ICD-10-CM by release: the code set, the terms that name codes, and looking them up."""

"""Readers of the official ICD-10-CM files, as CDC/NCHS and CMS publish them."""

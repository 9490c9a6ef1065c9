"""Corpora: media files to JSON lines and Parquet tables, by many processes or by Ray."""

"""Data from outside: images, corpora, statements of facts, downloads."""

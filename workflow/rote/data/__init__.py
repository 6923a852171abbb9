"""Data from outside: images, corpora, statements of facts, downloads."""

__all__ = ["corpora", "download", "images", "statements"]

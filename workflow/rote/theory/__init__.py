"""Fixed points and closed forms."""

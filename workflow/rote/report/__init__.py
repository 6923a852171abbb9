"""The report: executed notebooks, their pages, the front page."""

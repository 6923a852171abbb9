"""Files that users give, a module per kind: text, tables, images, arrays, models, tokens, weights.

Whoever opens a user's file does it through one of them. They know its name in any case, links,
packing, encodings and limits, and turn every exception of the library below into one line that
names the file, the place in it, and what to do.
"""

__all__ = ["array", "image", "model", "table", "text", "tokens", "weights"]

"""The papers, one package each; `rote.core.papers` lists and loads them."""

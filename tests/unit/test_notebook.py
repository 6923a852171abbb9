"""What notebooks show beside figures and claims."""

import re

import numpy as np
import pandas as pd
import pytest
from rote.core.errors import InputError
from rote.report.notebook import table_html

ROWS = pd.DataFrame(
    {
        "engine": ["scan", "a < b"],
        "exact": [True, False],
        "tokens": [300_000, 7],
        "median": [0.123456, np.nan],
    }
)


def test_table_has_titles_and_digits_for_a_reader():
    titles = {"engine": "engine", "exact": "exact", "tokens": "tokens", "median": "median (nats)"}
    html = table_html(ROWS, titles)
    first, second = [re.findall(r"<t[hd]>(.*?)</t", row) for row in html.split("<tr")[2:]]
    assert first == ["scan", "yes", "300,000", "0.123"]
    assert second == ["a &lt; b", "no", "7", "–"]
    assert re.findall(r"<th>(.*?)</th>", html) == list(titles.values())


def test_table_shows_levels_of_the_index():
    html = table_html(ROWS.groupby("engine")[["tokens"]].sum(), {"engine": "engine"})
    assert "scan" in html
    assert "300,000" not in html


def test_table_names_columns_that_the_rows_lack():
    with pytest.raises(InputError, match="no such columns in the table: speed"):
        table_html(ROWS, {"engine": "engine", "speed": "tokens/s"})

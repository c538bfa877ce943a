"""app/ids.py"""

import math
import re

import pytest

from app.ids import opaque_id


def test_id_names_its_resource_and_is_safe_in_a_url() -> None:
    assert re.fullmatch(r"usr_[A-Za-z0-9]{22}", opaque_id("usr"))


@pytest.mark.asvs("7.2.3", "11.5.1")
def test_ids_have_128_random_bits() -> None:
    made = [opaque_id("x").removeprefix("x_") for _ in range(2000)]
    assert len(set(made)) == len(made)
    seen = {char for text in made for char in text}
    assert len(made[0]) * math.log2(len(seen)) >= 128
    # Each position draws from the whole alphabet.
    assert all(len({text[place] for text in made}) == len(seen) for place in range(22))

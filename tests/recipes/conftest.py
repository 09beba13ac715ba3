"""The relay that each recipe's test drives."""

from __future__ import annotations

import pytest

from tests.running import System


@pytest.fixture
def system(redis_url):
    with System(redis_url, "freeim relay") as made:
        yield made

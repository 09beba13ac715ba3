"""One running demo for all tests, and people who use it."""

from __future__ import annotations

import pytest

from .site import Page, Site, new_name


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("demo") / "data")
    try:
        site.start()
        yield site
    finally:
        site.stop()


@pytest.fixture
def enter(site):
    """Signs somebody in, under a name of this test's own."""
    pages = []

    def enter(name):
        pages.append(Page(site, name if name == "admin" else new_name(name)))
        return pages[-1]

    yield enter
    for page in pages:
        page.leave()


@pytest.fixture
def friends(enter):
    """Two people who are friends."""
    ada, bob = enter("Ada"), enter("Bob")
    assert ada.post("/api/friends/ask", id=bob.id)[0] == 200
    assert bob.post("/api/friends/accept", id=ada.id)[0] == 200
    return ada, bob

"""What the tests in a browser need: skipped where it is missing, required where the run says so (REALTIME_LAB_BROWSER=required)."""

import os
from pathlib import Path

import pytest

from tests.widgets.browser import find_browser

AXE = Path(__file__).resolve().parent.parent / "js" / "node_modules" / "axe-core" / "axe.min.js"
REQUIRED = os.environ.get("REALTIME_LAB_BROWSER") == "required"


@pytest.fixture(scope="session")
def browser():
    found = find_browser()
    if found is None and REQUIRED:
        pytest.fail("no browser found, but this run must have one: install Debian's chromium")
    if found is None:
        pytest.skip("no Chromium or Chrome is installed (Debian: apt install chromium)")
    return found


@pytest.fixture
def axe():
    """The text of axe-core."""
    if not AXE.is_file() and REQUIRED:
        pytest.fail("axe-core is missing, and here this test must run: npm install --prefix tests/js")
    if not AXE.is_file():
        pytest.skip("needs axe-core: npm install --prefix tests/js --no-package-lock --no-audit --no-fund")
    return AXE.read_text(encoding="utf-8")

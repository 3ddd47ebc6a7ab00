"""What the system tests share: the real program, a folder and a store of its own for each test."""

import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("ROTA_PROGRAM", str(ROOT / "build" / "rota"))


@pytest.fixture
def program():
    return PROGRAM

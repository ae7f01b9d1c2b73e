"""Where the public collections are that tests marked ``data`` read."""

import os
from pathlib import Path

import pytest

VARIABLE = "V2T_BENCH_TEST_DATA"
DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of public collections, in the layout ``ir/<name>/corpus.jsonl.gz``.

    A test is skipped only where the default folder does not exist at all. Where the folder is
    there, or was named by the variable, whatever is missing in it is a failure.
    """
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else DEFAULT
    if not folder.is_dir():
        if named:
            pytest.fail(f"{VARIABLE}={named} is no folder")
        pytest.skip(f"the public collections are not on this machine; name them by {VARIABLE}")
    return folder

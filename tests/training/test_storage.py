"""The cache of arrays, where several processes fill it at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from mmer.training.storage import cached_arrays

FILL = """
import sys, time
from pathlib import Path
import numpy as np
from mmer.training.storage import cached_arrays

def compute():
    (begun / sys.argv[3]).touch()
    while len(list(begun.iterdir())) < 3:
        time.sleep(0.01)
    return {"a": np.arange(300_000)}

begun = Path(sys.argv[2])
cached_arrays(Path(sys.argv[1]), compute)
"""


def test_processes_may_compute_the_same_entry_at_once(tmp_path: Path) -> None:
    path, begun = tmp_path / "cache" / "entry.npz", tmp_path / "begun"
    begun.mkdir()
    workers = [
        subprocess.Popen([sys.executable, "-c", FILL, str(path), str(begun), str(number)])
        for number in range(3)
    ]

    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert [p.name for p in path.parent.iterdir()] == ["entry.npz"]
    np.testing.assert_array_equal(cached_arrays(path, dict)["a"], np.arange(300_000))

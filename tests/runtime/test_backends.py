"""The libraries that compute a network."""

from __future__ import annotations

import subprocess
import sys

import pytest

SIGNALLED = """
import gc, os, signal, sys
from pathlib import Path
from restill.bench.peak import load_convolutions

signal.signal(signal.SIGUSR1, lambda *_: print("heard"))
first, second = (load_convolutions(Path(sys.argv[1]), "openvino", 1, precision) for precision in ("f32", "bf16"))
del first
gc.collect()
del second
gc.collect()
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_a_signal_after_openvino_reaches_its_handler(tmp_path):
    """On CPUs with AMX the process ended by a segmentation fault: Ctrl-C, or the end of a data worker."""
    pytest.importorskip("openvino")
    done = subprocess.run([sys.executable, "-c", SIGNALLED, str(tmp_path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr

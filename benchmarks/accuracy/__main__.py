"""`python -m mmer.benchmarks.accuracy` is `mmer-bench accuracy`."""

import sys

from mmer.benchmarks.cli import main

main(["accuracy", *sys.argv[1:]])

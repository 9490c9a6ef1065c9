"""`python -m mmer.benchmarks.curve` is `mmer-bench curve`."""

import sys

from mmer.benchmarks.cli import main

main(["curve", *sys.argv[1:]])

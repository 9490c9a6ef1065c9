"""`python -m mmer.benchmarks` is `mmer-bench`."""

from mmer.benchmarks.cli import main

main()

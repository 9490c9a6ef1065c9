"""Fleet simulation: `mmer-bench fleet`."""

"""`mmer-bench compare`: two results of the same benchmark, figure by figure, with intervals."""

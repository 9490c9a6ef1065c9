"""`mmer-bench soak`: hours of one session, and whether anything grows, drifts or gets lost."""

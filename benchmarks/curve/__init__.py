"""`mmer-bench curve`: how right the label is after half a second of speech, one, two, and all."""

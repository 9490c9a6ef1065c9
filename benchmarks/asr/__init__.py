"""`mmer-bench asr`: word error rate and cost of the speech recognizers."""

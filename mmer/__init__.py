"""mmer: real-time recognition of emotion from speech, words and face."""

"""Sources of sound and frames: microphone, camera, media file or URL, pushed."""

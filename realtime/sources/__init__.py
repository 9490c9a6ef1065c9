"""Where sound and pictures come from: microphone, camera, media file or URL."""

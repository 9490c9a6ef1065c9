"""Send a file, or this machine's microphone and camera, to a server: client.py URL [FILE]."""

import sys

import mmer
import mmer.client

for event in mmer.client.stream(*sys.argv[1:3]):
    if isinstance(event, mmer.Transcript) and not event.partial:
        print(f'{event.t1:6.1f} s  "{event.text}"')
    if isinstance(event, mmer.EmotionEstimate) and event.final:
        print(f"{event.t:6.1f} s  {event.label or event.why['label']}")

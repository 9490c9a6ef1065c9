"""`mmer-serve` on Ray Serve, a cluster of this machine alone, for measurements.

A process of its own: it prints the address, then does what the lines on its standard input say
("kill PLACE": SIGKILL for the replica of that name) until the input ends.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from typing import Final

from mmer.realtime.batch.ray_data import LEAST_CPUS, LOCAL, cluster

_NAME: Final = "mmer"


def main() -> None:
    """Run as ``python -m ... ASR TOKEN REPLICAS ENCODERS``."""
    asr, token, replicas, encoders = sys.argv[1:]
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    with cluster(LOCAL, max(LEAST_CPUS, int(replicas) + int(encoders) + 1)) as ray:
        from ray import serve

        from mmer.realtime.serve.ray_app import Settings, app

        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        settings = Settings(
            token=token, asr=asr, offline=True, min_replicas=int(replicas),
            max_replicas=int(replicas), encoders=int(encoders), sessions=64, max_sessions=64,
        )  # fmt: skip
        serve.run(app(settings), name=_NAME, logging_config={"log_level": "ERROR"})
        print(f"http://127.0.0.1:{port}/?token={token}", flush=True)
        for line in sys.stdin:
            _, place = line.split()
            replica = ray.get_actor(f"SERVE_REPLICA::{_NAME}#sessions#{place}", namespace="serve")
            pid = ray.get(replica.__ray_call__.remote(lambda itself: os.getpid()))
            os.kill(pid, signal.SIGKILL)
            print("killed", flush=True)
        serve.shutdown()


if __name__ == "__main__":
    main()

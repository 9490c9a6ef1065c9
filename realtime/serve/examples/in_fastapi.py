"""mmer inside another application: uvicorn in_fastapi:app --ws websockets-sansio"""

import os

from fastapi import FastAPI

from mmer.realtime.serve.app import create_app

mmer_app = create_app(token=os.environ["MMER_TOKEN"], hosts=("localhost", "testserver"))
app = FastAPI(lifespan=lambda _: mmer_app.router.lifespan_context(mmer_app))


@app.get("/hello")
def hello() -> dict[str, str]:
    """An endpoint of one's own."""
    return {"hello": "world"}


app.mount("/mmer", mmer_app)

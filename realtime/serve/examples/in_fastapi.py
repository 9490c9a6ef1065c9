"""mmer inside another application: uvicorn in_fastapi:app"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from mmer.realtime.serve.app import create_app

mmer_app = create_app(token=os.environ["MMER_TOKEN"], hosts=("localhost", "testserver"))


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Load mmer's models; finish its sessions at the end."""
    async with mmer_app.router.lifespan_context(mmer_app):
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/hello")
def hello() -> dict[str, str]:
    """An endpoint of one's own."""
    return {"hello": "world"}


app.mount("/mmer", mmer_app)

"""A LangSmith-compatible sink that keeps the bodies it is sent."""

from fastapi import FastAPI, Request


class LangSmithServer:
    """Takes runs in every form the client may send them in."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.app = FastAPI()
        self.app.get("/info")(self._info)
        for path in ("/runs/multipart", "/runs/batch", "/runs"):
            self.app.post(path)(self._take)
        self.app.patch("/runs/{run_id}")(self._take)

    async def _info(self) -> dict[str, object]:
        return {
            "batch_ingest_config": {
                "use_multipart_endpoint": True,
                "size_limit": 100,
                "size_limit_bytes": 20_971_520,
                "scale_up_qsize_trigger": 1_000,
                "scale_up_nthreads_limit": 16,
                "scale_down_nempty_trigger": 4,
            }
        }

    async def _take(self, request: Request) -> dict[str, str]:
        self.bodies.append(await request.body())
        return {}

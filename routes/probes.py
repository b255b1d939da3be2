"""`/live`, `/ready` and one screen of help: what tells an operator whether it works."""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

from agent.errors import translate
from routes.opening import Opening

_HOME = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Assignment Assistant</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}
pre{background:#f4f4f4;padding:.8rem;overflow:auto}</style>
<h1>Assignment Assistant</h1>
<p>Plans, answers and code for programming assignments, grounded in past ones.
All of it is AI-generated: check it, and hand in only what you understand.</p>
<pre>curl -s localhost:8000/ask -H 'content-type: application/json' \\
  -d '{"message": "How should I test a REST API?"}'</pre>
<ul>
<li>Where API keys are asked for, add <code>-H 'authorization: Bearer KEY'</code>.</li>
<li><code>POST /ask</code>: <code>message</code>, and where you want
<code>prompt_type</code> (auto, planning, chat, codegen), <code>assignment_id</code>,
<code>thread_id</code>, <code>course</code>, <code>model</code></li>
<li><a href="/docs">/docs</a>: every field; <a href="/openapi.json">/openapi.json</a></li>
<li><a href="/live">/live</a>, <a href="/ready">/ready</a>: probes</li>
</ul></html>
"""
router = APIRouter()


@router.get("/live")
async def live() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "live"}


@router.get("/ready", responses={503: {}})
async def ready(request: Request) -> JSONResponse:
    """Say whether a request could be answered now, and if not, why."""
    opening: Opening = request.app.state.opening
    if opening.is_under_way:
        return JSONResponse({"status": "starting"}, 503)
    try:
        assistant = await opening.get()
        stats = await asyncio.to_thread(assistant.knowledge.stats)
    except Exception as error:  # noqa: BLE001 - whatever keeps us from answering is the answer here
        return JSONResponse({"status": "failed", "reason": str(translate(error))}, 503)
    if not stats.documents:
        return JSONResponse({"status": "no index", "reason": "Run: assist index add PATH"}, 503)
    return JSONResponse({"status": "ready", "documents": stats.documents})


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
async def home(request: Request) -> str:
    """Show one screen of help."""
    return _HOME.replace("localhost:8000", request.url.netloc)

"""Commands about the service itself: `serve` and `doctor`."""

from typing import Annotated

import typer

from agent.cli.terminal import AsJson, print_json


def serve(
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 8000,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the HTTP endpoint; without API keys on this machine's loopback address alone."""
    import uvicorn

    from agent.settings import check_host, load_settings

    check_host(load_settings(), host)
    typer.echo(f"Serving on http://{host}:{port} (Ctrl-C stops; / shows how to ask)", err=True)
    uvicorn.run(
        "server:create_app",
        factory=True,
        host=host,
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=10,
        server_header=False,
    )


def doctor(
    *,
    langsmith: Annotated[
        bool,
        typer.Option("--langsmith", help="Send LangSmith a test run, twice, and read it back."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print every setting, where it comes from, and whether what it points to answers."""
    from dataclasses import asdict

    from agent.doctor import examine, list_settings, probe_langsmith
    from agent.settings import load_settings

    settings = load_settings()
    lines, findings = list_settings(settings), examine(settings)
    if langsmith:
        findings += probe_langsmith(settings)
    if as_json:
        found = {
            "settings": [asdict(line) for line in lines],
            "findings": [asdict(f) for f in findings],
        }
        print_json(found)
    else:
        for line in lines:
            typer.echo(f"{line.name:<24} {line.value}  ({line.origin})  {line.description}")
        for finding in findings:
            typer.echo(f"{'ok  ' if finding.ok else 'FAIL'} {finding.what}: {finding.detail}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)

"""Commands about the service itself: `serve` and `doctor`."""

from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.terminal import AsJson, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    import uvicorn

    from agent.settings import Settings

_PAUSE = 0.05
"""Seconds between the looks whether the server has started."""


def serve(
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 8000,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the HTTP endpoint; without API keys on this machine's loopback address alone."""
    import uvicorn

    from agent.settings import check_host, load_settings

    settings = load_settings()
    check_host(settings, host)
    typer.echo(f"Serving on http://{host}:{port} (Ctrl-C stops; / shows how to ask)", err=True)
    config = uvicorn.Config(
        "server:create_app",
        factory=True,
        host=host,
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=10,
        server_header=False,
    )
    server = uvicorn.Server(config)
    finish = _look_at_keys(settings, server)
    server.run()
    finish()


def _look_at_keys(settings: "Settings", server: "uvicorn.Server") -> "Callable[[], None]":
    """Look at the keys once the server has started, so that `/live` does not wait for that.

    Returns:
        Waits for the end, and raises what made the server stop.

    """
    refusals = []
    is_over = Event()

    def look() -> None:
        while not server.started:
            if is_over.wait(_PAUSE):
                return
        from agent.errors import AssistantError, SettingsError
        from agent.stores import Stores

        try:
            stores = Stores.open(settings)
            state = stores.vault.keys.state()
            stores.close()
        except SettingsError as error:
            refusals.append(error)
            server.should_exit = True
        except AssistantError:
            pass  # which may pass; `/ready` says so
        else:
            if state.backed_up_at is None or state.lost:
                typer.echo(f"Warning: {state.backup_told}", err=True)

    def finish() -> None:
        is_over.set()
        thread.join()
        for error in refusals:
            raise error

    thread = Thread(target=look, daemon=True)
    thread.start()
    return finish


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

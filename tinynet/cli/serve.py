"""Command ``tinynet serve``."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Any

import click

from tinynet.analysis.serve import PredictionServer
from tinynet.cli.trained import of_a_network, open_network
from tinynet.words import phrase, sentence


@click.command()
@of_a_network
@click.option("--port", type=click.IntRange(0, 65535), default=8012, help="0 is any free one.")
@click.option("--open/--no-open", "show", default=True, help="Open the page in a browser.")
def serve(run: Path, port: int, show: bool, **network: Any) -> None:
    """Open a local page on which the network of RUN answers images.

    Drop or draw one, and see the probabilities and the feature maps. Only this computer can reach
    the page. RUN is a run folder, or a weight file. Ctrl-C stops it.
    """
    trained = open_network(run, **network)
    try:
        server = PredictionServer(trained, port)
    except OSError as error:
        said = "serve: port {port} cannot be used ({error}). Choose another: --port 0."
        told = sentence(said, port=port, error=error.strerror)
        raise click.ClickException(told) from None
    with server:
        server.warm_up()
        click.echo(phrase("{address}  (Ctrl-C stops it)", address=server.address))
        if show:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo(phrase("Stopped."))

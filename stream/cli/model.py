"""`stream model pack | check`: model packages, made from an .onnx file and verified."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.show import Output, OutputOption, as_json
from stream.errors import ConfigurationError

if TYPE_CHECKING:
    from stream.inference import Manifest


class Missing(enum.StrEnum):
    """What a null in a feature column means."""

    REFUSE = "refuse"
    NAN = "nan"


app = typer.Typer(name="model", help="Model packages: make one from an ONNX file, verify one.", no_args_is_help=True)


@app.command(
    epilog="Example: stream model pack fraud.onnx --name fraud --columns amount,age,country_risk --golden rows.csv"
)
def pack(
    file: Annotated[Path, typer.Argument(help="The model, one ONNX file.")],
    *,
    name: Annotated[str, typer.Option("--name", help="Name of the model.")],
    version: Annotated[int | None, typer.Option("--version", min=1, help="Default: the next free one.")] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns",
            help="Feature order: a,b,c; or tensor=a,b,c, once for each input of a model with several. "
            "Default: the model's own metadata (feature_names), then the header of the golden rows.",
        ),
    ] = None,
    golden: Annotated[
        Path | None,
        typer.Option("--golden", help="CSV of feature rows; their results are computed and checked at every start."),
    ] = None,
    missing: Annotated[
        Missing, typer.Option("--missing", help="A null or NaN feature: refuse the event, or feed NaN to the model.")
    ] = Missing.REFUSE,
    into: Annotated[Path, typer.Option("--into", help="Folder of the models.")] = Path("models"),
    output: OutputOption = Output.TABLE,
) -> None:
    """Make a package: INTO/NAME/VERSION/{model.onnx, manifest.json}. The model is tried in a limited child process."""
    from stream.inference import load_package
    from stream.inference import pack as make_package

    folder = make_package(
        file,
        name,
        into=into,
        now=datetime.now(UTC).replace(microsecond=0),
        version=version,
        columns=parse_columns(columns or []),
        golden=golden,
        missing=missing.value,
    )
    _report(load_package(folder).manifest, folder, "packed", output)


@app.command(epilog="Example: stream model check models/arrival-delay")
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="models/<name> or models/<name>/<version>.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Verify a package: hash, signature, golden rows; in a child process with memory and time limits."""
    from stream.inference import load_package, try_package

    package = load_package(folder)
    try_package(package.folder)
    _report(package.manifest, package.folder, "in order", output)


def parse_columns(options: list[str]) -> dict[str, list[str]]:
    """["a,b"] -> {"": ["a", "b"]}; ["x=a,b", "y=c"] -> {"x": ["a", "b"], "y": ["c"]}."""
    found: dict[str, list[str]] = {}
    for option in options:
        tensor, equals, names = option.rpartition("=")
        if tensor in found or (not equals and len(options) > 1):
            raise ConfigurationError(["--columns: name the tensor of each, once: --columns TENSOR=a,b,c"])
        found[tensor] = [name.strip() for name in names.split(",") if name.strip()]
    return found


def _report(manifest: Manifest, folder: Path, verdict: str, output: Output) -> None:
    if output is Output.JSON:
        as_json(_facts(manifest, folder))
        return
    typer.echo(f"{manifest.name}/{manifest.version} {verdict} ({folder})")
    for tensor in manifest.inputs:
        typer.echo(f"  input   {tensor.name}  {tensor.datatype} {list(tensor.shape)}  {', '.join(tensor.columns)}")
    for result in manifest.outputs:
        typer.echo(f"  output  {result.name}  {result.datatype} {list(result.shape)}")
    generated = " (generated: give real ones with --golden)" if manifest.metadata.get("golden") == "generated" else ""
    typer.echo(f"  golden  {len(manifest.golden.rows)} rows{generated}")


def _facts(manifest: Manifest, folder: Path) -> dict[str, Any]:
    """What `--output json` prints."""
    return {
        "name": manifest.name,
        "version": manifest.version,
        "folder": str(folder),
        "sha256": manifest.sha256,
        "inputs": [tensor.model_dump(mode="json") for tensor in manifest.inputs],
        "outputs": [result.model_dump(mode="json") for result in manifest.outputs],
        "golden_rows": len(manifest.golden.rows),
    }

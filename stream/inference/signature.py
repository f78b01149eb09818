"""What a graph declares against what its manifest says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stream.inference.datatypes import BY_ONNX_TYPE
from stream.inference.manifest import InputTensor, KeyPath, Manifest, OutputTensor
from stream.inference.session import TensorInfo

Mismatch = tuple[KeyPath, str]


def mismatches(manifest: Manifest, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> Iterator[Mismatch]:
    """Differences, each with the manifest's key path."""
    yield from _compare("input", manifest.inputs, inputs)
    yield from _compare("output", manifest.outputs, outputs)


def unsupported(info: TensorInfo) -> str:
    """Why a tensor's type cannot be used; "" when it can."""
    if info.onnx_type in BY_ONNX_TYPE:
        return ""
    if info.onnx_type.startswith("seq(map"):
        return (
            f"output {info.name!r} is a list of dictionaries (ZipMap): convert again with zipmap off "
            "(skl2onnx: options={id(model): {'zipmap': False}}; onnxmltools: zipmap=False)"
        )
    return f"{info.name!r} is {info.onnx_type}: only tensors of numbers, booleans and strings are taken"


def _compare(
    word: str, described: Sequence[InputTensor | OutputTensor], declared: Sequence[TensorInfo]
) -> Iterator[Mismatch]:
    by_name = {info.name: info for info in declared}
    for i, tensor in enumerate(described):
        info = by_name.pop(tensor.name, None)
        at = (f"{word}s", i)
        if info is None:
            names = ", ".join(repr(d.name) for d in declared)
            yield (*at, "name"), f"the model has no {word} {tensor.name!r}: it has {names}"
        elif message := unsupported(info):
            yield (*at, "name"), message
        elif BY_ONNX_TYPE[info.onnx_type].name != tensor.datatype:
            yield (*at, "datatype"), f"{word} {tensor.name!r} is {BY_ONNX_TYPE[info.onnx_type].name} in the model"
        elif not _same_shape(word, tensor.shape, info.shape):
            yield (*at, "shape"), f"{word} {tensor.name!r} is {shape_text(info.shape)} in the model"
    for name in by_name:
        yield (f"{word}s",), f"the manifest does not describe {word} {name!r} of the model"


def _same_shape(word: str, described: Sequence[int], declared: Sequence[int | str | None]) -> bool:
    """Dynamic axes agree with anything. Converters declare wrong batch axes of outputs, so only golden rows tell."""
    if word == "output" and not declared:
        return True
    if len(described) != len(declared):
        return False
    axes = list(zip(described, declared, strict=True))
    batch = word == "output" or not isinstance(axes[0][1], int) or axes[0][0] == axes[0][1]
    return batch and all(not isinstance(d, int) or d == m for m, d in axes[1:])


def shape_text(shape: Sequence[int | str | None]) -> str:
    """[-1, 6] for ("N", 6)."""
    return str([axis if isinstance(axis, int) else -1 for axis in shape])

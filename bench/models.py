"""The models that the job is done with: one that is nearly free, so that all else shows, and the demonstration's."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from stream.inference import pack

ROOT: Final = Path(__file__).parents[1]
FEATURES: Final = ("dep_delay", "air_time", "distance", "hour", "month", "sched_dep_time")
MEANS: Final = (12.6, 150.7, 1048.0, 13.2, 6.6, 1340.0)
DEVIATIONS: Final = (40.1, 93.7, 735.9, 4.7, 3.4, 467.0)
"""Of the features over a year of flights; the network standardises its input with them."""
HIDDEN: Final = 64
SEED: Final = 6


@dataclass(frozen=True, slots=True)
class Model:
    """package: folder of model.onnx and its manifest; pipeline: the job of stream with this model.

    prepare makes the package if it is not there.
    """

    name: str
    title: str
    package: Path
    pipeline: Path
    prepare: Callable[[], None] = lambda: None

    @property
    def file(self) -> Path:
        return self.package / "model.onnx"

    @property
    def label(self) -> str:
        """name/version, as an event says which model answered."""
        return f"{self.package.parent.name}/{self.package.name}"


def _make_network() -> None:
    """6 -> 64 -> 64 -> 1. Its weights are random: what it predicts is compared, and means nothing."""
    from onnx import save

    if MLP.file.exists():
        return
    folder = MLP.package.parents[1]
    folder.mkdir(parents=True, exist_ok=True)
    save(_network(), str(folder / "small-network.onnx"))
    pack(folder / "small-network.onnx", "small-network", into=folder, now=datetime.now(UTC), columns={"": FEATURES})


def _network() -> Any:
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(SEED)
    sizes = (len(FEATURES), HIDDEN, HIDDEN, 1)
    weights = {"mean": np.array(MEANS, np.float32), "deviation": np.array(DEVIATIONS, np.float32)}
    nodes = [helper.make_node("Sub", ["input", "mean"], ["d"]), helper.make_node("Div", ["d", "deviation"], ["x0"])]
    for layer, (wide, next_wide) in enumerate(itertools.pairwise(sizes)):
        last = layer == len(sizes) - 2
        weights[f"w{layer}"] = rng.normal(0, (2 / wide) ** 0.5, (wide, next_wide)).astype(np.float32)
        weights[f"b{layer}"] = np.zeros(next_wide, np.float32)
        summed = "variable" if last else f"s{layer}"
        nodes.append(helper.make_node("Gemm", [f"x{layer}", f"w{layer}", f"b{layer}"], [summed]))
        if not last:
            nodes.append(helper.make_node("Relu", [summed], [f"x{layer + 1}"]))
    graph = helper.make_graph(
        nodes,
        "small-network",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", len(FEATURES)])],
        [helper.make_tensor_value_info("variable", TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


MLP: Final = Model(
    "mlp",
    "a small network",
    ROOT / "bench" / ".work" / "models" / "small-network" / "1",
    ROOT / "bench" / "flights-mlp.yaml",
    _make_network,
)
ADAPTIVE: Final = replace(MLP, pipeline=ROOT / "bench" / "flights-mlp-adaptive.yaml")
"""With the product's own batches, which grow while commits are waited for; the job's have 10,000 events."""
TREES: Final = Model(
    "trees",
    "gradient-boosted trees",
    ROOT / "models" / "arrival-delay" / "1",
    ROOT / "bench" / "flights.yaml",
)
MODELS: Final = {model.name: model for model in (MLP, TREES)}

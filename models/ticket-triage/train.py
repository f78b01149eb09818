"""Train the second example's model: how urgent a support ticket is, with a probability for each class.

    pip install -e '.[train]'
    python models/ticket-triage/train.py        # adds the next version beside this file

The graph has two inputs, a vector and three numbers, and is put together by hand from a network that
scikit-learn trained; a converter would join the inputs, and wrap the probabilities in dictionaries.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from tickets import CLASSES, EMBEDDING, ticket

from stream.inference import pack

FEATURES: Final = ["customer.age_days", "amount", "hours_open"]
TICKETS: Final = 6000
HELD_OUT_EVERY: Final = 5
GOLDEN_ROWS: Final = 12
HIDDEN: Final = 16
SEED: Final = 1
OPSET, ML_OPSET, IR_VERSION = 15, 3, 8


def training_data() -> tuple[Any, Any, Any]:
    """Embeddings [n, 8], features [n, 3] and class names [n]."""
    rng = random.Random(SEED)
    tickets = [ticket(number, rng) for number in range(TICKETS)]
    embeddings = np.array([event["embedding"] for event, _ in tickets])
    features = [[e["customer"]["age_days"], float(e["amount"]), e["hours_open"]] for e, _ in tickets]
    return embeddings, np.array(features), np.array([urgency for _, urgency in tickets])


def train(x: Any, y: Any) -> Any:
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((HIDDEN,), random_state=SEED, max_iter=300, tol=1e-3).fit(x, y)


def to_onnx(model: Any, mean: Any, std: Any) -> bytes:
    """embedding FP32 [N, 8] and features FP32 [N, 3] -> label [N], probabilities FP32 [N, 3]."""
    from onnx import TensorProto, helper, numpy_helper

    weights = {"mean": mean, "std": std, "w": model.coefs_[0], "b": model.intercepts_[0]}
    nodes = [
        helper.make_node("Sub", ["features", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], ["scaled"]),
        helper.make_node("Concat", ["embedding", "scaled"], ["joined"], axis=1),
        helper.make_node("Gemm", ["joined", "w", "b"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["hidden"]),
        helper.make_node(
            "LinearClassifier",
            ["hidden"],
            ["label", "probabilities"],
            domain="ai.onnx.ml",
            coefficients=model.coefs_[1].T.ravel().tolist(),
            intercepts=model.intercepts_[1].tolist(),
            classlabels_strings=model.classes_.tolist(),
            multi_class=1,
            post_transform="SOFTMAX",
        ),
    ]
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "ticket-triage",
        [tensor("embedding", TensorProto.FLOAT, ["N", EMBEDDING]), tensor("features", TensorProto.FLOAT, ["N", 3])],
        [tensor("label", TensorProto.STRING, ["N"]), tensor("probabilities", TensorProto.FLOAT, ["N", len(CLASSES)])],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    proto = helper.make_model(graph, producer_name="ticket-triage", opset_imports=opsets, ir_version=IR_VERSION)
    return bytes(proto.SerializeToString())


def write_golden(path: Path, embeddings: Any, features: Any) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["embedding", *FEATURES])
        rows.writerows([json.dumps(e.tolist()), *f.tolist()] for e, f in zip(embeddings, features, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=Path(__file__).parent.parent, help="folder of the models")
    into = parser.parse_args().into

    embeddings, features, urgency = training_data()
    held_out = np.arange(TICKETS) % HELD_OUT_EVERY == 0
    mean, std = features[~held_out].mean(0), features[~held_out].std(0)
    x = np.hstack([embeddings, (features - mean) / std])
    model = train(x[~held_out], urgency[~held_out])
    accuracy = float(np.mean(model.predict(x[held_out]) == urgency[held_out]))

    with tempfile.TemporaryDirectory() as folder:
        file, golden = Path(folder) / "model.onnx", Path(folder) / "golden.csv"
        file.write_bytes(to_onnx(model, mean, std))
        write_golden(golden, embeddings[held_out][:GOLDEN_ROWS], features[held_out][:GOLDEN_ROWS])
        made = pack(
            file,
            "ticket-triage",
            into=into,
            now=datetime.now(UTC).replace(microsecond=0),
            columns={"embedding": ["embedding"], "features": FEATURES},
            golden=golden,
            metadata={
                "training_data": "tickets.py",
                "training_rows": int((~held_out).sum()),
                "accuracy": round(accuracy, 3),
                "classes": list(CLASSES),
            },
        )
    sys.stdout.write(f"{made}: right for {accuracy:.1%} of {held_out.sum()} tickets held out\n")


if __name__ == "__main__":
    main()

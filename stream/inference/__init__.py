"""Model packages and inference with ONNX Runtime: columns in, result columns out, a verdict for every row.

Packages
    load_package   models/<name>[/<version>] read and verified: manifest, hash, nothing unsafe
    try_package    the same and more, in a child process with memory and time limits, for models not yet trusted
    pack           an .onnx file made into a package
    Package, Manifest, Limits

Inference
    Model          a package loaded, warmed up and proven by its golden rows; .predict(feeds, column, n)
    plan_feeds     which columns fill which input tensor, checked against a schema
    column_field   the column of an output
    Feed, Prediction, Rejected
"""

from stream.inference.features import Feed, plan_feeds
from stream.inference.manifest import Manifest
from stream.inference.model import Model, Prediction
from stream.inference.pack import pack
from stream.inference.package import Package, load_package
from stream.inference.rejection import Rejected
from stream.inference.results import column_field
from stream.inference.trial import Limits, try_package

__all__ = [
    "Feed",
    "Limits",
    "Manifest",
    "Model",
    "Package",
    "Prediction",
    "Rejected",
    "column_field",
    "load_package",
    "pack",
    "plan_feeds",
    "try_package",
]

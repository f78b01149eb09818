"""What the models do: rows, time, versions."""

from __future__ import annotations

from typing import Final

from deploy.monitoring.panels import Board, Kind, Panel, Query, Row, Step, lines

_NAMES = "{{model}}/{{version}}"

_ROWS = (
    lines(
        "Rows scored",
        "cps",
        "By model and version. Two versions at a time: a deploy is under way; after it the old one should end.",
        Query(
            'sum by (model, version) (rate(stream_inference_events_total{outcome="passed"}[$__rate_interval]))', _NAMES
        ),
        stacked=True,
    ),
    lines(
        "Rows refused",
        "percentunit",
        "Share of the rows that a model does not answer: missing features, a result that is not finite. Up after a "
        "deploy of the model: roll it back. Up without one: the events changed.",
        Query(
            'sum by (model, version) (rate(stream_inference_events_total{outcome="failed"}[$__rate_interval]))'
            " / (sum by (model, version) (rate(stream_inference_events_total[$__rate_interval])) > 0)",
            _NAMES,
        ),
        steps=(Step(0.01, "orange"),),
        board="stream-failures",
        empty="no row was scored within the interval",
    ),
    Panel(
        "What is loaded",
        "short",
        "One row a worker and stage. Different digests of the same version: a package was changed in place, pack it "
        "again as a new version.",
        (Query("max by (pipeline, instance, stage, model, version, digest) (stream_model_info)"),),
        kind=Kind.TABLE,
    ),
)
_TIME = (
    lines(
        "A batch in the model",
        "s",
        "Wall time: half of the batches, and 99 of 100, take less. Grows with the batch; see Time for a row.",
        Query(
            "histogram_quantile(0.5, sum by (model, version, le)"
            " (rate(stream_inference_duration_seconds_bucket[$__rate_interval])))",
            f"{_NAMES} half",
        ),
        Query(
            "histogram_quantile(0.99, sum by (model, version, le)"
            " (rate(stream_inference_duration_seconds_bucket[$__rate_interval])))",
            f"{_NAMES} 99 of 100",
        ),
        empty="no row was scored within the interval",
    ),
    lines(
        "Time for a row",
        "s",
        "Mean. The limit of one worker is about one over it. Up after a deploy: the new model is heavier. Up at small "
        "batches is normal: the cost of a call is shared by fewer rows.",
        Query(
            "sum by (model, version) (rate(stream_inference_duration_seconds_sum[$__rate_interval]))"
            " / (sum by (model, version) (rate(stream_inference_events_total[$__rate_interval])) > 0)",
            _NAMES,
        ),
        empty="no row was scored within the interval",
    ),
    lines(
        "Rows of a batch",
        "short",
        "Mean of what the model gets at once. 1 or 2 under load: batch.wait is too short for the rate of events.",
        Query(
            "sum by (model, version) (rate(stream_inference_events_total[$__rate_interval]))"
            " / (sum by (model, version) (rate(stream_inference_duration_seconds_count[$__rate_interval])) > 0)",
            _NAMES,
        ),
        empty="no row was scored within the interval",
    ),
)
_SCORES = (
    Panel(
        "Results",
        "short",
        "How the numbers of the models' outputs are spread, of 1,000 rows a batch at most. A band that moves with a "
        "deploy: the new model; without one: other events come in. Choose one pipeline to see its models alone.",
        (Query("sum by (le) (increase(stream_inference_scores_bucket[$__rate_interval]))", "{{le}}"),),
        kind=Kind.HEATMAP,
        width=12,
    ),
    lines(
        "Median result",
        "short",
        "By model and output, as exact as its buckets. A step means other events or another model; compare with Rows "
        "refused.",
        Query(
            "histogram_quantile(0.5, sum by (model, version, output, le)"
            " (rate(stream_inference_scores_bucket[$__rate_interval])))",
            "{{model}}/{{version}} {{output}}",
        ),
        width=12,
        empty="no row was scored within the interval",
    ),
)
_SHARE = (
    lines(
        "Share of a worker's time in models",
        "percentunit",
        "Near 1: the models are the limit; more workers, or a smaller model. Low: look at the Pipeline board instead.",
        Query(
            "sum by (model, version) (rate(stream_inference_duration_seconds_sum[$__rate_interval]))"
            ' / scalar(count(stream_pipeline_state{state="running"}))',
            _NAMES,
        ),
        board="stream-pipeline",
    ),
    lines(
        "Changes of models",
        "short",
        "Workers that run each version. A step is a deploy: compare it with what changed elsewhere.",
        Query("count by (model, version) (stream_model_info)", _NAMES),
        stacked=True,
    ),
    lines(
        "Loading a model",
        "s",
        "What the start of a worker takes to load the model and to score its golden rows, the slowest worker. Much of "
        "a restart: a smaller model, or more processor at the start.",
        Query("max by (model, version) (stream_model_load_seconds)", _NAMES),
    ),
)

BOARD: Final = Board(
    "stream-models",
    "stream: models",
    "What the models do with the rows they get, and which versions run.",
    (Row("Rows", _ROWS), Row("Time", _TIME), Row("Results", _SCORES), Row("Versions", _SHARE)),
)

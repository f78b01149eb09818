"""A board as Grafana's JSON: the classic model, which Grafana 10 to 13 import and provision.

Field names are those of @grafana/schema, against which tests/grafana checks the types.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from deploy.monitoring.panels import Board, Kind, Panel, Query

Json = dict[str, Any]

SOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}
SCHEMA_VERSION: Final = 39
COLUMNS: Final = 24
KEPT: Final = "var-pipeline=${pipeline:queryparam}"
TAG: Final = "stream"
DEPLOYS: Final = (
    'max by (instance, version) (stream_build_info{instance=~"$instance"})'
    ' unless max by (instance, version) (stream_build_info{instance=~"$instance"} offset 1m)'
)
MODELS: Final = (
    'max by (model, version, digest) (stream_model_info{pipeline=~"$pipeline"})'
    ' unless max by (model, version, digest) (stream_model_info{pipeline=~"$pipeline"} offset 1m)'
)


def dashboard(board: Board, boards: Sequence[Board]) -> Json:
    """boards: all there are, for the links between them."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": "now-30m", "to": "now"},
        "refresh": "10s",
        "templating": {"list": _variables()},
        "annotations": {"list": _annotations()},
        "links": [_link(other) for other in boards if other is not board],
        "panels": _placed(board),
    }


def text(board: Board, boards: Sequence[Board]) -> str:
    """The file, as committed."""
    return json.dumps(dashboard(board, boards), indent=1, ensure_ascii=False) + "\n"


def _variables() -> list[Json]:
    source: Json = {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "hide": 0,
    }
    return [
        source,
        _names("pipeline", "Pipeline", "label_values(stream_pipeline_state, pipeline)"),
        _names("instance", "Worker", 'label_values(stream_pipeline_state{pipeline=~"$pipeline"}, instance)'),
    ]


def _names(name: str, label: str, query: str) -> Json:
    """Read again when the time range changes, for workers come and go."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "regex": "",
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "hide": 0,
    }


def _annotations() -> list[Json]:
    return [
        _annotation("Deploys", "blue", DEPLOYS, "version {{version}} on {{instance}}"),
        _annotation("Models", "purple", MODELS, "model {{model}}/{{version}}"),
        _annotation(
            "Alerts",
            "red",
            'max by (alertname, pipeline) (ALERTS{alertname=~"Stream.*",alertstate="firing"})',
            "{{alertname}} {{pipeline}}",
        ),
    ]


def _annotation(name: str, color: str, expr: str, title: str) -> Json:
    return {
        "name": name,
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "expr": expr,
        "step": "60s",
        "titleFormat": title,
        "useValueForTime": False,
    }


def _link(board: Board) -> Json:
    return _to(board.title.removeprefix("stream: "), f"/d/{board.uid}", board.description)


def _to(title: str, url: str, tooltip: str = "", *, keep: bool = True) -> Json:
    """keep: the time range and the variables go along."""
    return {
        "title": title,
        "type": "link",
        "url": url,
        "tooltip": tooltip,
        "icon": "dashboard",
        "tags": [],
        "asDropdown": False,
        "includeVars": keep,
        "keepTime": keep,
        "targetBlank": False,
    }


def _placed(board: Board) -> list[Json]:
    """Panels from left to right in the order of the board, each row of it under its title."""
    placed: list[Json] = []
    y = 0
    for row in board.rows:
        placed.append(_row(row.title, len(placed) + 1, y))
        y += 1
        x, height = 0, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, height = 0, y + height, 0
            placed.append(_panel(panel, len(placed) + 1, {"x": x, "y": y, "w": panel.width, "h": panel.height}))
            x, height = x + panel.width, max(height, panel.height)
        y += height
    return placed


def _row(title: str, number: int, y: int) -> Json:
    place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
    return {"id": number, "type": "row", "title": title, "gridPos": place, "collapsed": False, "panels": []}


def _panel(panel: Panel, number: int, place: Mapping[str, int]) -> Json:
    found: Json = {
        "id": number,
        "type": panel.kind.value,
        "title": panel.title,
        "description": panel.description,
        "gridPos": dict(place),
        "datasource": SOURCE,
        "targets": [_target(panel, query, "ABCDEF"[i]) for i, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _options(panel),
    }
    if panel.board:
        url = f"/d/{panel.board}?${{__url_time_range}}&{KEPT}"
        found["links"] = [_to(f"More: {panel.board.removeprefix('stream-')}", url, keep=False)]
    if panel.kind is Kind.TABLE:
        hidden = {"Time": True, "Value": True, "__name__": True, "alertstate": True}
        found["transformations"] = [{"id": "organize", "options": {"excludeByName": hidden}}]
    return found


def _options(panel: Panel) -> Json:
    if panel.kind is not Kind.HEATMAP:
        return _OPTIONS[panel.kind]
    return {**_OPTIONS[panel.kind], "yAxis": {"unit": panel.unit, "axisPlacement": "left", "reverse": False}}


def _target(panel: Panel, query: Query, letter: str) -> Json:
    instant = panel.kind in (Kind.TABLE, Kind.BARS)
    form = {Kind.TABLE: "table", Kind.HEATMAP: "heatmap"}.get(panel.kind, "time_series")
    return {
        "refId": letter,
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.on_board,
        "legendFormat": query.legend or "__auto",
        "format": form,
        "instant": instant,
        "range": not instant,
    }


def _defaults(panel: Panel) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    steps += [{"color": step.color, "value": step.value} for step in panel.steps if step.value > 0]
    if panel.steps and panel.steps[0].value == 0:
        steps[0]["color"] = panel.steps[0].color
    found: Json = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}, "noValue": _nothing(panel)}
    if panel.kind is not Kind.HEATMAP:
        found["min"] = 0
    if panel.most is not None:
        found["max"] = panel.most
    if panel.kind is Kind.LINES:
        found["custom"] = _drawing(panel)
        found["color"] = {"mode": "palette-classic"}
    else:
        found["color"] = {"mode": "thresholds"}
    return found


def _nothing(panel: Panel) -> str:
    return panel.empty or "no data: is a worker scraped?"


def _drawing(panel: Panel) -> Json:
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 60 if panel.stacked else 8,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
    }


def _overrides(panel: Panel) -> list[Json]:
    return [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for name, color in panel.colors.items()
    ]


_LAST: Final[Json] = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: Final[Mapping[Kind, Json]] = {
    Kind.LINES: {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    Kind.NUMBER: {
        "reduceOptions": _LAST,
        "colorMode": "background",
        "graphMode": "area",
        "textMode": "value",
        "justifyMode": "auto",
        "orientation": "auto",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    },
    Kind.BARS: {
        "reduceOptions": _LAST,
        "displayMode": "basic",
        "valueMode": "color",
        "namePlacement": "auto",
        "orientation": "horizontal",
        "showUnfilled": True,
        "sizing": "auto",
        "minVizHeight": 16,
        "minVizWidth": 8,
        "maxVizHeight": 32,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
    },
    Kind.HEATMAP: {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "steps": 64,
            "reverse": False,
            "exponent": 0.5,
            "fill": "dark-orange",
            "scale": "exponential",
        },
        "cellValues": {"unit": "short"},
        "rowsFrame": {"layout": "auto"},
        "legend": {"show": True},
        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": False},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "showValue": "never",
    },
    Kind.TABLE: {"cellHeight": "sm", "showHeader": True},
}

"""Recording rules and alerts as Prometheus' YAML; `Scale` makes durations shorter, so that a test need not wait."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from deploy.monitoring.alerts import ALERTS, Alert
from deploy.monitoring.slo import RECORDINGS, Recording

RUNBOOK: Final = "docs/runbook.md"
HEAD: Final = "# Made by `make docs` from deploy/monitoring: change it there.\n"
_WINDOW: Final = re.compile(r"\[(\d+[smhd])\]")
_SECONDS: Final = re.compile(r"<(age )?(\d+[smhd])>")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Scale:
    """What durations are multiplied with: windows and waits, and the ages of dead letters. shortest_s: of a window,
    which must hold several scrapes.
    """

    windows: float = 1.0
    ages: float = 1.0
    shortest_s: float = 0.0

    def window(self, text: str) -> str:
        """A duration as it stands in PromQL."""
        if self.windows == 1:
            return text
        return f"{round(1000 * max(seconds(text) * self.windows, self.shortest_s))}ms"

    def hold(self, text: str) -> str:
        return text if self.windows == 1 else f"{round(1000 * seconds(text) * self.windows)}ms"

    def expression(self, text: str) -> str:
        text = _WINDOW.sub(lambda found: f"[{self.window(found[1])}]", text)
        return _SECONDS.sub(self._number, text)

    def _number(self, found: re.Match[str]) -> str:
        return f"{seconds(found[2]) * (self.ages if found[1] else self.windows):g}"


AS_WRITTEN: Final = Scale()


def seconds(text: str) -> float:
    """Of a duration such as 15m."""
    return float(text[:-1]) * _UNIT_S[text[-1]]


@dataclass(frozen=True, slots=True)
class Places:
    """Where people look: the folder of the documents and Grafana, as addresses when there are some."""

    docs: str = "docs"
    grafana: str = ""


BESIDE: Final = Places()


def recording_text(recordings: Sequence[Recording] = RECORDINGS, scale: Scale = AS_WRITTEN) -> str:
    rules = [{"record": r.name, "expr": scale.expression(r.expr)} for r in recordings]
    return _text("stream", rules)


def alert_text(alerts: Sequence[Alert] = ALERTS, scale: Scale = AS_WRITTEN, places: Places = BESIDE) -> str:
    return _text("stream-alerts", [_alert(alert, scale, places) for alert in alerts])


def operator_text(places: Places = BESIDE) -> str:
    """Both as one PrometheusRule, for the Prometheus operator on Kubernetes."""
    texts = recording_text(), alert_text(places=places)
    groups = [group for text in texts for group in yaml.safe_load(text)["groups"]]
    made = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "stream"}}
    return _dumped({**made, "spec": {"groups": groups}})


def anchor(alert: Alert) -> str:
    """Of its section in the runbook."""
    return alert.name.lower()


def _alert(alert: Alert, scale: Scale, places: Places) -> dict[str, Any]:
    named = [v for v in ("pipeline", "instance") if f"$labels.{v} " in alert.summary]
    variables = "&".join(f"var-{v}={{{{ $labels.{v} }}}}" for v in named)
    return {
        "alert": alert.name,
        "expr": scale.expression(alert.expr),
        "for": scale.hold(alert.hold),
        "labels": {"severity": alert.severity.value},
        "annotations": {
            "summary": alert.summary,
            "description": f"{alert.meaning} Next: {alert.todo}.",
            "runbook_url": f"{places.docs}/runbook.md#{anchor(alert)}",
            "dashboard_url": f"{places.grafana}/d/{alert.board}" + (f"?{variables}" if variables else ""),
        },
    }


class _Dumper(yaml.SafeDumper):
    """Long texts in one line each, lists indented."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)


def _text(group: str, rules: Sequence[dict[str, Any]]) -> str:
    return _dumped({"groups": [{"name": group, "rules": list(rules)}]})


def _dumped(body: dict[str, Any]) -> str:
    return HEAD + yaml.dump(body, Dumper=_Dumper, sort_keys=False, width=100_000, allow_unicode=True)

"""python -m deploy.monitoring [--docs URL] [--grafana URL]: write the boards and rules into deploy/.

With the addresses of your documents and your Grafana the alerts link to them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.monitoring import grafana, rules
from deploy.monitoring.boards import BOARDS
from deploy.monitoring.rules import Places

DEPLOY: Final = Path(__file__).resolve().parents[1]
HERE: Final = Places()


def files(places: Places = HERE) -> Mapping[Path, str]:
    """Every file that is made, with its text."""
    boards = {DEPLOY / "grafana" / "dashboards" / f"{b.uid}.json": grafana.text(b, BOARDS) for b in BOARDS}
    folder = DEPLOY / "prometheus" / "rules"
    return {
        **boards,
        folder / "recording.yml": rules.recording_text(),
        folder / "alerts.yml": rules.alert_text(places=places),
        DEPLOY / "kubernetes" / "base" / "prometheus-rule.yaml": rules.operator_text(places),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.monitoring", description=__doc__)
    parser.add_argument("--docs", default=HERE.docs, help="address of the documents' folder")
    parser.add_argument("--grafana", default=HERE.grafana, help="address of Grafana")
    given = parser.parse_args()
    for path, text in files(Places(given.docs.rstrip("/"), given.grafana.rstrip("/"))).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()

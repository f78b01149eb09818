"""Boards and alerts, made from one description: `python -m deploy.monitoring` writes them into deploy/.

panels    the nouns: Board, Row, Panel, Query
boards/   one file a board: what an operator is shown, and what the panel tells to do
grafana   a board as Grafana's JSON
alerts    every alert: when, how urgent, what to do
rules     alerts and recording rules as Prometheus' YAML, with other durations for a test
"""

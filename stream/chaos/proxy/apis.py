"""Kafka's APIs by key: those that clients and tools send (Kafka protocol guide, "Api Keys"; Kafka 4.3)."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final

APIS: Final[Mapping[int, str]] = {
    0: "Produce",
    1: "Fetch",
    2: "ListOffsets",
    3: "Metadata",
    8: "OffsetCommit",
    9: "OffsetFetch",
    10: "FindCoordinator",
    11: "JoinGroup",
    12: "Heartbeat",
    13: "LeaveGroup",
    14: "SyncGroup",
    15: "DescribeGroups",
    16: "ListGroups",
    17: "SaslHandshake",
    18: "ApiVersions",
    19: "CreateTopics",
    20: "DeleteTopics",
    21: "DeleteRecords",
    22: "InitProducerId",
    23: "OffsetForLeaderEpoch",
    24: "AddPartitionsToTxn",
    25: "AddOffsetsToTxn",
    26: "EndTxn",
    28: "TxnOffsetCommit",
    29: "DescribeAcls",
    30: "CreateAcls",
    31: "DeleteAcls",
    32: "DescribeConfigs",
    33: "AlterConfigs",
    36: "SaslAuthenticate",
    37: "CreatePartitions",
    42: "DeleteGroups",
    44: "IncrementalAlterConfigs",
    47: "OffsetDelete",
    60: "DescribeCluster",
    61: "DescribeProducers",
    65: "DescribeTransactions",
    66: "ListTransactions",
    68: "ConsumerGroupHeartbeat",
    69: "ConsumerGroupDescribe",
    71: "GetTelemetrySubscriptions",
    72: "PushTelemetry",
    75: "DescribeTopicPartitions",
}


def api_name(key: int) -> str:
    """The API's name; "api 99" for one that is not in the table."""
    return APIS.get(key, f"api {key}")


def require_api(name: str) -> str:
    """The name itself. Raises ValueError, with the nearest name, for one that no API has."""
    if name not in APIS.values():
        near = difflib.get_close_matches(name, APIS.values(), 1)
        raise ValueError(f"no Kafka API is called {name!r}" + (f": did you mean {near[0]!r}?" if near else ""))
    return name

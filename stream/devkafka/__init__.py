"""A real Apache Kafka from pip packages alone (extra `devkafka`): for the demo, the tests and a laptop.

with Cluster(".stream/kafka") as kafka:
    print(kafka.bootstrap)
"""

# The cluster
from stream.devkafka.cluster import Cluster

# What it says about itself
from stream.devkafka.probe import Metadata, Partition
from stream.devkafka.state import Node, State

__all__ = ["Cluster", "Metadata", "Node", "Partition", "State"]

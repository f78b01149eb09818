"""The broker and the names of the acceptance tests."""

from acceptance.conftest import kafka, kafka_io, terminated_tests_stop_their_brokers

__all__ = ["kafka", "kafka_io", "terminated_tests_stop_their_brokers"]

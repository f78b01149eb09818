"""The demonstration: 336,776 real flights through a real Kafka, exactly once, over a killed worker."""

"""A TCP proxy in front of Kafka brokers that reads what passes: delays, holds, cuts, refuses, by API and client.

with proxied(folder, brokers=1) as (kafka, proxy):
    held = proxy.hold(api="EndTxn", client="flights-*-producer", then=Then.CUT)
    request = held.wait(10.0)  # it came, was kept, and its connection was cut
    held.release()  # on its way again, though its client is long gone
    held.answer(10.0)  # what the broker said to it

It speaks Kafka's plaintext protocol only, on loopback: a tool for tests and for `stream chaos`.
"""

# The proxy
from stream.chaos.proxy.apis import APIS
from stream.chaos.proxy.frames import Request
from stream.chaos.proxy.held import Held
from stream.chaos.proxy.rules import Rule, Then
from stream.chaos.proxy.server import Counts, Proxy

# A development Kafka behind it
from stream.chaos.proxy.cluster import proxied  # isort: skip

__all__ = ["APIS", "Counts", "Held", "Proxy", "Request", "Rule", "Then", "proxied"]

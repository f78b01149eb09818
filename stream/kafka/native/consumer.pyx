# cython: language_level=3
"""A consumer: the control calls of confluent_kafka's by their names, and messages as columns."""

cimport cython
from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc

from stream.kafka.native.client cimport Client, PlaceList, milliseconds, place_list, places_in
from stream.kafka.native.columns cimport Columns
from stream.kafka.native.filling cimport add_all
from stream.kafka.native.library cimport Library
from stream.kafka.native.rdkafka cimport OK, Api, Error, Kafka, Message, Metadata, Queue

from confluent_kafka import KafkaError, KafkaException

SEEK_TIMEOUT_S = 10.0
"""A seek is local, but it waits for the client's own thread."""

cdef enum:
    DROPPED = 100       # messages that poll() drops at a time


@cython.no_gc     # it can be in no cycle, and needs its library to the end
cdef class GroupMetadata:
    """Who a member is and in which generation, at one moment; for Producer.send_offsets_to_transaction."""

    cdef Library library
    cdef Metadata* metadata

    @property
    def address(self):
        return <size_t>self.metadata

    def __dealloc__(self):
        if self.metadata != NULL:
            self.library.api.consumer_group_metadata_destroy(self.metadata)


@cython.no_gc_clear
cdef class Consumer:
    """Of one thread. Calls raise KafkaException, and whatever a callback raised that ran inside of them."""

    cdef readonly Columns columns
    cdef readonly Client client
    cdef Api* _api
    cdef Kafka* _kafka
    cdef Queue* _queue
    cdef Message** _slots
    cdef int64_t _slot_count
    cdef object _callbacks

    def __cinit__(self, Library library, properties, signs, log, on_error, on_statistics=None):
        self._callbacks = {}
        self.columns = Columns()
        self.client = Client(library, True, properties, signs, log, on_error, on_statistics, self._rebalanced)
        self._api, self._kafka = &library.api, self.client.kafka
        self._api.poll_set_consumer(self._kafka)
        self._queue = self._api.queue_get_consumer(self._kafka)

    def __dealloc__(self):
        if self._queue != NULL:
            self._api.queue_destroy(self._queue)
        free(self._slots)

    def subscribe(self, topics, *, on_assign, on_revoke, on_lost):
        cdef PlaceList list_ = place_list(self._library(), [_Topic(topic) for topic in topics])
        self._callbacks = {"assign": on_assign, "revoke": on_revoke, "lost": on_lost}
        self._code(self._api.subscribe(self._kafka, list_.places))

    def unsubscribe(self):
        self._library()
        self._code(self._api.unsubscribe(self._kafka))

    def fetch(self, int64_t most, double wait_s):
        """Read up to `most` messages into the columns, waiting only while fewer are there.

        Gives what came beside messages, as (topic, partition, offset, KafkaError), and the number of both.
        """
        cdef int64_t count, errors
        cdef int wait_ms = milliseconds(wait_s)
        self._library()
        self._make_slots(most)
        self.columns.reserve(most)
        with nogil:
            count = self._api.consume_batch_queue(self._queue, wait_ms, self._slots, most)
            errors = add_all(&self.columns.filling, self._api, self._slots, count) if count > 0 else 0
        if errors < 0:
            raise MemoryError("no memory for the messages of a batch")
        events = [self._event(self._slots[i]) for i in range(errors)]
        self.client.served()
        return events, max(count, 0)

    def poll(self, timeout=0.0):
        """Serve callbacks and drop what arrives: for a consumer that is about to be closed."""
        cdef int64_t count, i
        cdef int wait_ms = milliseconds(timeout)
        self._library()
        self._make_slots(DROPPED)
        with nogil:
            count = self._api.consume_batch_queue(self._queue, wait_ms, self._slots, DROPPED)
            for i in range(count):
                self._api.message_destroy(self._slots[i])
        self.client.served()

    def seek(self, partition):
        cdef PlaceList list_ = place_list(self._library(), [partition])
        cdef int wait_ms = milliseconds(SEEK_TIMEOUT_S)
        cdef Error* error
        with nogil:
            error = self._api.seek_partitions(self._kafka, list_.places, wait_ms)
        self.client.check(error)
        self._code(list_.places.items[0].err)

    def pause(self, partitions):
        cdef PlaceList list_ = place_list(self._library(), partitions)
        self._code(self._api.pause_partitions(self._kafka, list_.places))

    def resume(self, partitions):
        cdef PlaceList list_ = place_list(self._library(), partitions)
        self._code(self._api.resume_partitions(self._kafka, list_.places))

    def incremental_assign(self, partitions):
        cdef PlaceList list_ = place_list(self._library(), partitions)
        self.client.check(self._api.incremental_assign(self._kafka, list_.places))

    def incremental_unassign(self, partitions):
        cdef PlaceList list_ = place_list(self._library(), partitions)
        self.client.check(self._api.incremental_unassign(self._kafka, list_.places))

    def committed(self, partitions, timeout=None):
        cdef PlaceList list_ = place_list(self._library(), partitions)
        cdef int wait_ms = milliseconds(timeout)
        cdef int code
        with nogil:
            code = self._api.committed(self._kafka, list_.places, wait_ms)
        self._code(code)
        return places_in(list_.places)

    def offsets_for_times(self, partitions, timeout=None):
        cdef PlaceList list_ = place_list(self._library(), partitions)
        cdef int wait_ms = milliseconds(timeout)
        cdef int code
        with nogil:
            code = self._api.offsets_for_times(self._kafka, list_.places, wait_ms)
        self._code(code)
        return places_in(list_.places)

    def get_watermark_offsets(self, partition, timeout=None, cached=False):
        cdef bytes topic = partition.topic.encode()
        cdef const char* name = topic
        cdef int number = partition.partition
        cdef int64_t low = 0
        cdef int64_t high = 0
        cdef int wait_ms = milliseconds(timeout)
        cdef bint ask = not cached
        cdef int code
        self._library()
        with nogil:
            if ask:
                code = self._api.query_watermark_offsets(self._kafka, name, number, &low, &high, wait_ms)
            else:
                code = self._api.get_watermark_offsets(self._kafka, name, number, &low, &high)
        self._code(code)
        return low, high

    def consumer_group_metadata(self):
        cdef GroupMetadata made = GroupMetadata.__new__(GroupMetadata)
        made.library = self._library()
        with nogil:
            made.metadata = self._api.consumer_group_metadata(self._kafka)
        return made

    def close(self):
        """Leave the group; rebalance callbacks run a last time."""
        cdef int code
        if self._kafka == NULL:
            return
        self._api.queue_destroy(self._queue)
        self._queue = NULL
        with nogil:
            code = self._api.consumer_close(self._kafka)
        self._kafka = NULL
        self.client.served()
        self.client._close()
        self._callbacks = {}
        self.client._on_rebalance = None    # which holds this object
        self._code(code)

    def _rebalanced(self, what, partitions):
        callback = self._callbacks.get(what)
        if callback is not None:
            callback(self, partitions)

    cdef Library _library(self):
        if self._kafka == NULL:
            raise RuntimeError("the consumer is closed")
        return self.client.library

    cdef _code(self, int code):
        self.client.check_code(code)

    cdef _make_slots(self, int64_t most):
        cdef Message** slots
        if most <= self._slot_count:
            return
        slots = <Message**>realloc(self._slots, most * sizeof(Message*))
        if slots == NULL:
            raise MemoryError
        self._slots, self._slot_count = slots, most

    cdef _event(self, Message* m):
        """What a message with an error tells; it is given back."""
        topic = self._api.topic_name(m.topic).decode() if m.topic != NULL else ""
        text = (<char*>m.payload)[:m.size].decode(errors="replace") if m.payload != NULL else None
        told = (topic, m.partition, m.offset, KafkaError(m.err, text) if text else KafkaError(m.err))
        self._api.message_destroy(m)
        return told


class _Topic:
    """A topic as a place in a list: of no partition."""

    partition, offset, metadata = -1, -1001, None

    def __init__(self, topic):
        self.topic = topic

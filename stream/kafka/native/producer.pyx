# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""A transactional producer: whole columns are queued without the GIL and without a Python object for each row.

Values are not copied: the library reads them where they are. So a buffer of values is held from the first
row that was queued until the next transaction begins (which only follows one that was committed, with every
row acknowledged) or the client is destroyed. Keys and headers are copied by the library.
"""

cimport cython
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset, strcmp, strdup

from stream.kafka.native.client cimport Client, PlaceList, milliseconds, place_list
from stream.kafka.native.library cimport Library
from stream.kafka.native.queueing cimport FIXED, MOST_PREFIXES, Table, flush_all, queue_rows
from stream.kafka.native.rdkafka cimport (
    ARG_FLAGS,
    ARG_HEADER,
    ARG_KEY,
    ARG_PARTITION,
    ARG_TIMESTAMP,
    ARG_TOPIC,
    ARG_VALUE,
    COPY,
    ERR_QUEUE_FULL,
    PURGE_ALL,
    Api,
    Argument,
    Bytes,
    Error,
    Header,
    Kafka,
    Metadata,
    Topic,
)

from confluent_kafka import KafkaError, KafkaException

cdef struct Handle:
    char* name
    Topic* topic


@cython.no_gc_clear
cdef class Producer:
    """One thread at a time. Calls raise KafkaException, and whatever a callback raised that ran inside of them."""

    cdef readonly Client client
    cdef Api* _api
    cdef Kafka* _kafka
    # plain memory, not containers: the cycle collector empties those before this object is told to go
    cdef Handle* _topics
    cdef int _topic_count
    cdef PyObject** _held   # values (views of them keep their buffers) that the library may still read
    cdef int64_t _held_count, _held_room

    def __cinit__(self, Library library, properties, signs, log, on_error, on_statistics=None):
        self.client = Client(library, False, properties, signs, log, on_error, on_statistics, None)
        self._api, self._kafka = &library.api, self.client.kafka

    def __dealloc__(self):
        cdef int i
        if self.client is not None:
            for i in range(self._topic_count):
                self._api.topic_destroy(self._topics[i].topic)
                free(self._topics[i].name)
            self.client._close()    # before what is held goes: nothing reads it any more
        self._let_go()
        free(self._topics)
        free(self._held)

    @property
    def held(self):
        """Buffers that are kept for the library."""
        return self._held_count

    def init_transactions(self, timeout):
        cdef int wait_ms = milliseconds(timeout)
        cdef Error* error
        with nogil:
            error = self._api.init_transactions(self._kafka, wait_ms)
        self._answer(error)

    def begin_transaction(self):
        cdef Error* error
        if self._api.outq_len(self._kafka) == 0:
            self._let_go()
        with nogil:
            error = self._api.begin_transaction(self._kafka)
        self._answer(error)

    def produce(self, topic, value, key, int partition, int64_t timestamp, headers):
        """One message, copied. Raises BufferError when the queue is full. headers: pairs (text, bytes or None)."""
        cdef const uint8_t[::1] value_bytes
        cdef const uint8_t[::1] key_bytes
        cdef int count = FIXED - 1
        cdef Argument* arguments = self._arguments(topic, len(headers), COPY)
        cdef Error* error = NULL
        try:
            arguments[1].value.i64 = timestamp
            arguments[4].value.i32 = partition
            if value is not None:
                arguments[2].value.bytes = Bytes(<const char*>(<bytes>value), len(value))
            if key is not None:
                arguments[count].kind = ARG_KEY
                arguments[count].value.bytes = Bytes(<const char*>(<bytes>key), len(key))
                count += 1
            names = [name.encode("utf-8", "surrogateescape") for name, _ in headers]
            for name, (_, data) in zip(names, headers):
                arguments[count].kind = ARG_HEADER
                arguments[count].value.header = Header(<const char*>(<bytes>name), NULL, 0)
                if data is not None:
                    arguments[count].value.header = Header(
                        <const char*>(<bytes>name), <const char*>(<bytes>data), len(data)
                    )
                count += 1
            with nogil:
                error = self._api.produceva(self._kafka, arguments, count)
        finally:
            free(arguments)
        if error != NULL and self._api.error_code(error) == ERR_QUEUE_FULL:
            self._api.error_destroy(error)
            raise BufferError("the producer's queue is full")
        self.client.check(error)

    def produce_rows(
        self, topic, values, const int64_t[::1] value_offsets, const int64_t[::1] sources, keys,
        const int64_t[::1] key_offsets, const uint8_t[::1] flags, const int64_t[::1] stamps, int64_t first, headers,
        prefixes,
    ):
        """Queue rows from `first` on until the queue is full; the number of rows that are queued then.

        values[value_offsets[i]:value_offsets[i + 1]] is row i, which has key, null flag and headers of message
        sources[i]. headers: None, or (data, places, first of each message), of which those whose names begin
        with one of prefixes are left out.
        """
        cdef Table t
        memset(&t, 0, sizeof(t))
        for prefix in prefixes:
            t.prefix[t.prefixes] = <const char*>(<bytes>prefix)
            t.prefixes += 1
        if first < sources.shape[0]:
            self._hold(values)
        return self._queue(
            &t, topic, values, value_offsets, sources, keys, key_offsets, flags, stamps, first, headers, 0
        )

    def produce_messages(
        self, topic, values, const int64_t[::1] value_offsets, const int64_t[::1] sources, keys,
        const int64_t[::1] key_offsets, const uint8_t[::1] flags, const int64_t[::1] stamps, int64_t first, headers,
    ):
        """The same for messages as they came, copied: those of index sources[i], with headers of row i."""
        cdef Table t
        memset(&t, 0, sizeof(t))
        t.whole = True
        return self._queue(
            &t, topic, values, value_offsets, sources, keys, key_offsets, flags, stamps, first, headers, COPY
        )

    cdef int64_t _queue(
        self, Table* t, topic, values, const int64_t[::1] value_offsets, const int64_t[::1] sources, keys,
        const int64_t[::1] key_offsets, const uint8_t[::1] flags, const int64_t[::1] stamps, int64_t first, headers,
        int message_flags,
    ) except -1:
        cdef const uint8_t[::1] value_view = memoryview(values) if len(values) else b"\0"
        cdef const uint8_t[::1] key_view = memoryview(keys) if len(keys) else b"\0"
        cdef const uint8_t[::1] header_view
        cdef const int64_t[:, ::1] header_places
        cdef const int64_t[::1] header_first
        cdef int64_t n = sources.shape[0]
        cdef int64_t queued = 0
        cdef Argument* arguments
        cdef Error* error = NULL
        if first >= n:
            return n
        most = 0
        t.values, t.value_offsets, t.sources, t.stamps = &value_view[0], &value_offsets[0], &sources[0], &stamps[0]
        t.keys, t.key_offsets, t.flags = &key_view[0], &key_offsets[0], &flags[0]
        if headers is not None:
            header_view, header_places, header_first = headers[0], headers[1], headers[2]
            most = headers[3]
            t.header_data, t.headers, t.first_header = &header_view[0], &header_places[0, 0], &header_first[0]
        arguments = self._arguments(topic, most, message_flags)
        arguments[4].value.i32 = -1
        with nogil:
            queued = queue_rows(self._api, self._kafka, t, arguments, first, n, &error)
        free(arguments)
        if error != NULL and self._api.error_code(error) == ERR_QUEUE_FULL:
            self._api.error_destroy(error)
            error = NULL
        self.client.check(error)
        return queued

    def flush(self, timeout):
        """Wait until all is acknowledged; the number of messages that are not. Raises for a fatal error."""
        cdef int wait_ms = milliseconds(timeout)
        cdef int left, code
        cdef char text[512]
        with nogil:
            left = flush_all(self._api, self._kafka, wait_ms)
            code = self._api.fatal_error(self._kafka, text, sizeof(text))
        self.client.served()
        if code:
            raise KafkaException(KafkaError(code, text.decode(errors="replace"), True))
        return left

    def poll(self, timeout):
        """Serve callbacks and the log."""
        cdef int wait_ms = milliseconds(timeout)
        with nogil:
            self._api.poll(self._kafka, wait_ms)
        self.client.served()

    def send_offsets_to_transaction(self, positions, group_metadata, timeout):
        cdef PlaceList list_ = place_list(self.client.library, positions)
        cdef Metadata* metadata = <Metadata*><size_t>group_metadata.address
        cdef int wait_ms = milliseconds(timeout)
        cdef Error* error
        with nogil:
            error = self._api.send_offsets_to_transaction(self._kafka, list_.places, metadata, wait_ms)
        self._answer(error)

    def commit_transaction(self, timeout):
        cdef int wait_ms = milliseconds(timeout)
        cdef Error* error
        with nogil:
            error = self._api.commit_transaction(self._kafka, wait_ms)
        self._answer(error)

    def abort_transaction(self, timeout):
        """The product takes a new producer instead; the trials of late requests need it (tests/chaos/late_requests)."""
        cdef int wait_ms = milliseconds(timeout)
        cdef Error* error
        with nogil:
            error = self._api.abort_transaction(self._kafka, wait_ms)
        self._answer(error)

    def purge(self):
        """Throw away what is queued and under way: nothing more of it is sent."""
        with nogil:
            self._api.purge(self._kafka, PURGE_ALL)

    cdef _answer(self, Error* error):
        """Raises the call's own error before what a callback raised meanwhile."""
        self.client.check(error)
        self.client.served()

    cdef Argument* _arguments(self, topic, int64_t headers, int flags) except NULL:
        """What all messages of a call have in common: topic, time, value, flags, partition; then key and headers."""
        cdef Topic* handle = self._topic(topic)
        cdef Argument* arguments = <Argument*>calloc(FIXED + headers, sizeof(Argument))
        if arguments == NULL:
            raise MemoryError
        arguments[0].kind, arguments[0].value.topic = ARG_TOPIC, handle
        arguments[1].kind = ARG_TIMESTAMP
        arguments[2].kind = ARG_VALUE
        arguments[3].kind, arguments[3].value.i = ARG_FLAGS, flags
        arguments[4].kind = ARG_PARTITION
        return arguments

    cdef _hold(self, object values):
        cdef PyObject** held
        if self._held_count and self._held[self._held_count - 1] == <PyObject*>values:
            return
        if self._held_count == self._held_room:
            held = <PyObject**>realloc(self._held, (2 * self._held_room + 8) * sizeof(PyObject*))
            if held == NULL:
                raise MemoryError
            self._held, self._held_room = held, 2 * self._held_room + 8
        Py_INCREF(values)
        self._held[self._held_count] = <PyObject*>values
        self._held_count += 1

    cdef void _let_go(self) noexcept:
        while self._held_count:
            self._held_count -= 1
            Py_DECREF(<object>self._held[self._held_count])

    cdef Topic* _topic(self, name) except NULL:
        cdef bytes text = name.encode()
        cdef const char* wanted = text
        cdef Handle* handles
        cdef int i
        for i in range(self._topic_count):
            if strcmp(self._topics[i].name, wanted) == 0:
                return self._topics[i].topic
        handles = <Handle*>realloc(self._topics, (self._topic_count + 1) * sizeof(Handle))
        if handles == NULL:
            raise MemoryError
        self._topics = handles
        handles[self._topic_count] = Handle(strdup(wanted), self._api.topic_new(self._kafka, wanted, NULL))
        if handles[self._topic_count].name == NULL or handles[self._topic_count].topic == NULL:
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG, f"no handle for topic {name}"))
        self._topic_count += 1
        return handles[self._topic_count - 1].topic

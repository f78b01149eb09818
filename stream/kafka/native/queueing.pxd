# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Rows and messages into the library's queue, as plain memory: one call of produceva() for each, without the GIL."""

from libc.stdint cimport int64_t, uint8_t
from libc.string cimport strlen, strncmp

from stream.kafka.native.filling cimport NULL_KEY_FLAG, NULL_VALUE_FLAG
from stream.kafka.native.rdkafka cimport ARG_HEADER, ARG_KEY, Api, Argument, Bytes, Error, Header, Kafka

cdef enum:
    FIXED = 6               # arguments of a message beside its headers
    FLUSH_SLICE_MS = 100    # how late a flush sees that messages failed
    MOST_PREFIXES = 8

cdef struct Table:
    # what a run over rows reads
    const uint8_t* values
    const int64_t* value_offsets
    const uint8_t* keys
    const int64_t* key_offsets
    const uint8_t* flags
    const int64_t* sources      # the message of each row
    const int64_t* stamps
    const uint8_t* header_data
    const int64_t* headers      # row, name, value, end of each: see columns.pyx
    const int64_t* first_header # of each message, or row
    bint whole                  # a row's value is its message's, and headers are those of rows
    int prefixes
    const char* prefix[MOST_PREFIXES]


cdef inline int flush_all(const Api* api, Kafka* kafka, int wait_ms) noexcept nogil:
    """Wait until nothing is queued or under way; what is. Messages that failed wait in the queue that poll() empties,
    which flush() does not serve: so it is looked into now and then. wait_ms below 0: for ever.
    """
    cdef int slice_ms
    while True:
        slice_ms = FLUSH_SLICE_MS if wait_ms < 0 or wait_ms > FLUSH_SLICE_MS else wait_ms
        api.flush(kafka, slice_ms)
        api.poll(kafka, 0)
        if api.outq_len(kafka) == 0 or slice_ms == wait_ms:
            return api.outq_len(kafka)
        if wait_ms > 0:
            wait_ms -= slice_ms


cdef inline bint is_dropped(const Table* t, const char* name) noexcept nogil:
    cdef int i
    for i in range(t.prefixes):
        if strncmp(name, t.prefix[i], strlen(t.prefix[i])) == 0:
            return True
    return False


cdef inline int put_headers(const Table* t, int64_t of, Argument* arguments) noexcept nogil:
    """The headers of a message, or of a row, as arguments; how many there are."""
    cdef int count = 0
    cdef int64_t i
    cdef const int64_t* place
    cdef const char* name
    for i in range(t.first_header[of], t.first_header[of + 1]):
        place = &t.headers[4 * i]
        name = <const char*>t.header_data + place[1]
        if is_dropped(t, name):
            continue
        arguments[count].kind = ARG_HEADER
        arguments[count].value.header = Header(name, NULL, 0)
        if place[3] >= 0:
            arguments[count].value.header = Header(name, t.header_data + place[2], place[3] - place[2])
        count += 1
    return count


cdef inline int64_t queue_rows(
    const Api* api, Kafka* kafka, const Table* t, Argument* arguments, int64_t first, int64_t n, Error** error
) noexcept nogil:
    """Queue rows until one is refused; the number that is queued then."""
    cdef int64_t row, source, value
    cdef int count
    for row in range(first, n):
        source = t.sources[row]
        value = source if t.whole else row
        arguments[1].value.i64 = t.stamps[row]
        arguments[2].value.bytes = Bytes(
            t.values + t.value_offsets[value], t.value_offsets[value + 1] - t.value_offsets[value]
        )
        if t.whole and t.flags[source] & NULL_VALUE_FLAG:
            arguments[2].value.bytes = Bytes(NULL, 0)
        count = FIXED - 1
        if not t.flags[source] & NULL_KEY_FLAG:
            arguments[count].kind = ARG_KEY
            arguments[count].value.bytes = Bytes(
                t.keys + t.key_offsets[source], t.key_offsets[source + 1] - t.key_offsets[source]
            )
            count += 1
        if t.headers != NULL:
            count += put_headers(t, row if t.whole else source, arguments + count)
        error[0] = api.produceva(kafka, arguments, count)
        if error[0] != NULL:
            return row
    return n

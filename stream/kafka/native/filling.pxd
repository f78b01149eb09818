# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The batch that is being read, as plain memory: each message is copied once and given back at once."""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, strcmp, strdup, strlen

from stream.kafka.native.rdkafka cimport OK, Api, Headers, Message, Topic

cdef extern from *:
    """
    #define stream_prefetch(address) __builtin_prefetch(address)
    """
    void stream_prefetch(const void* address) noexcept nogil

cdef enum:
    LEAST_BYTES = 4096
    AHEAD = 8           # messages whose memory is asked for before its turn
    NULL_VALUE_FLAG = 1 # as in stream/messages.py
    NULL_KEY_FLAG = 2

cdef struct Buffer:
    uint8_t* data
    int64_t size
    int64_t room

cdef struct Seen:
    const Topic* handle     # good for one call only: NULL in the next
    char* name

cdef struct Filling:
    int64_t count
    Buffer values
    Buffer keys
    int32_t* topic          # the arrays have room for the messages of the call
    int32_t* partition
    int64_t* offset
    int64_t* timestamp
    int64_t* value_end
    int64_t* key_end
    uint8_t* flags
    Buffer header_data
    int64_t* headers        # four a header: message, name, value, end (-1: a null)
    int64_t header_count
    int64_t header_room
    Seen* seen
    int seen_count
    int seen_room


cdef inline bint reserve(Buffer* b, int64_t more) noexcept nogil:
    """Room for so many bytes more; False when there is no memory."""
    cdef int64_t room = b.room
    cdef uint8_t* data
    if b.size + more <= room:
        return True
    while room < b.size + more:
        room = 2 * room + LEAST_BYTES
    data = <uint8_t*>realloc(b.data, room)
    if data == NULL:
        return False
    b.data, b.room = data, room
    return True


cdef inline void put(Buffer* b, const void* data, int64_t size) noexcept nogil:
    if size > 0:
        memcpy(b.data + b.size, data, size)
        b.size += size


cdef inline int topic_index(Filling* f, const Api* api, const Topic* topic) noexcept nogil:
    """Of the topics of this batch, by the order in which they came; -1 without memory."""
    cdef int i
    cdef const char* name
    cdef Seen* seen
    for i in range(f.seen_count):
        if f.seen[i].handle == topic:
            return i
    name = api.topic_name(topic)
    for i in range(f.seen_count):
        if strcmp(f.seen[i].name, name) == 0:
            f.seen[i].handle = topic
            return i
    if f.seen_count == f.seen_room:
        seen = <Seen*>realloc(f.seen, (2 * f.seen_room + 8) * sizeof(Seen))
        if seen == NULL:
            return -1
        f.seen, f.seen_room = seen, 2 * f.seen_room + 8
    f.seen[f.seen_count] = Seen(topic, strdup(name))
    if f.seen[f.seen_count].name == NULL:
        return -1
    f.seen_count += 1
    return f.seen_count - 1


cdef inline bint add_header(
    Filling* f, int64_t row, const char* name, const void* data, int64_t size
) noexcept nogil:
    cdef int64_t length = strlen(name) + 1      # its end goes along, so that it can be handed on as it is
    cdef int64_t* place
    if f.header_count == f.header_room:
        place = <int64_t*>realloc(f.headers, (2 * f.header_room + 64) * 4 * sizeof(int64_t))
        if place == NULL:
            return False
        f.headers, f.header_room = place, 2 * f.header_room + 64
    if data == NULL:
        size = 0
    if not reserve(&f.header_data, length + size):
        return False
    place = f.headers + 4 * f.header_count
    place[0], place[1], place[2] = row, f.header_data.size, f.header_data.size + length
    place[3] = f.header_data.size + length + size if data != NULL else -1
    put(&f.header_data, name, length)
    put(&f.header_data, data, size)
    f.header_count += 1
    return True


cdef inline bint add_headers(Filling* f, const Api* api, const Message* m) noexcept nogil:
    cdef Headers* headers = NULL
    cdef const char* name = NULL
    cdef const void* data = NULL
    cdef size_t size = 0
    cdef size_t i = 0
    if api.message_headers(m, &headers) != OK:
        return True
    while api.header_get_all(headers, i, &name, &data, &size) == OK:
        if not add_header(f, f.count, name, data, size):
            return False
        i += 1
    return True


cdef inline bint add(Filling* f, const Api* api, const Message* m) noexcept nogil:
    """One message; False without memory."""
    cdef int64_t row = f.count
    cdef int topic = topic_index(f, api, m.topic)
    if topic < 0 or not reserve(&f.values, m.size) or not reserve(&f.keys, m.key_size):
        return False
    if not add_headers(f, api, m):
        return False
    put(&f.values, m.payload, m.size)
    put(&f.keys, m.key, m.key_size)
    f.topic[row], f.partition[row], f.offset[row] = topic, m.partition, m.offset
    f.timestamp[row] = api.message_timestamp(m, NULL)
    f.value_end[row], f.key_end[row] = f.values.size, f.keys.size
    f.flags[row] = (NULL_VALUE_FLAG if m.payload == NULL else 0) | (NULL_KEY_FLAG if m.key == NULL else 0)
    f.count = row + 1
    return True


cdef inline int64_t add_all(Filling* f, const Api* api, Message** messages, int64_t n) noexcept nogil:
    """Copy what came and give it back, but for messages that are errors.

    Those stand at the front of `messages` afterwards, and their number is the answer; without memory all are
    given back and it is -1.
    """
    cdef int64_t i
    cdef int64_t errors = 0
    cdef bint whole = True
    cdef Message* m
    for i in range(f.seen_count):
        f.seen[i].handle = NULL
    for i in range(n):
        if i + AHEAD < n:
            stream_prefetch(messages[i + AHEAD])
            stream_prefetch(<char*>messages[i + AHEAD] + 64)
            stream_prefetch(<char*>messages[i + AHEAD] + 128)
            stream_prefetch(messages[i + AHEAD // 2].payload)
        m = messages[i]
        if m.err != OK:
            messages[errors] = m
            errors += 1
            continue
        whole = whole and add(f, api, m)
        api.message_destroy(m)
    if whole:
        return errors
    for i in range(errors):
        api.message_destroy(messages[i])
    return -1


cdef inline void forget_topics(Filling* f) noexcept nogil:
    cdef int i
    for i in range(f.seen_count):
        free(f.seen[i].name)
    f.seen_count = 0


cdef inline void free_filling(Filling* f) noexcept nogil:
    forget_topics(f)
    free(f.seen)
    free(f.headers)
    free(f.values.data)
    free(f.keys.data)
    free(f.header_data.data)

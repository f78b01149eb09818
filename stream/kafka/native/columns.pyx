# cython: language_level=3
"""Messages of the library as columns, in buffers of our own: nothing that leaves here points into its memory.

A buffer of values or keys belongs to whoever holds a view of it, and comes back to its pool when the last
view is gone: memory that was used before costs no page faults.
"""

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from stream.kafka.native.filling cimport (
    NULL_KEY_FLAG,
    NULL_VALUE_FLAG,
    Buffer,
    Filling,
    forget_topics,
    free_filling,
    reserve,
)

cimport cython

import numpy as np

from stream.messages import NULL_KEY, NULL_VALUE

assert (NULL_VALUE_FLAG, NULL_KEY_FLAG) == (NULL_VALUE, NULL_KEY), "one meaning of the flags"

_KINDS = {
    "topic": np.int32,
    "partition": np.int32,
    "offset": np.int64,
    "timestamp": np.int64,
    "value_offsets": np.int64,
    "key_offsets": np.int64,
    "flags": np.uint8,
}
"""Columns of one number a message; those of offsets have one more."""


cdef class Pool:
    """Buffers that nobody uses now."""

    def __dealloc__(self):
        for i in range(SPARE):
            free(self.spare[i].data)

    cdef Buffer take(self) noexcept:
        cdef Buffer found = Buffer(NULL, 0, 0)
        for i in range(SPARE):
            if self.spare[i].data != NULL:
                found, self.spare[i].data = self.spare[i], NULL
                found.size = 0
                break
        return found

    cdef void give_back(self, Buffer buffer) noexcept:
        for i in range(SPARE):
            if self.spare[i].data == NULL and buffer.room <= SPARE_BYTES:
                self.spare[i] = buffer
                return
        free(buffer.data)


@cython.no_gc
cdef class Block:
    """A buffer that is full, for all to read."""

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.buffer.data, self.buffer.size, 1, flags)

    def __dealloc__(self):
        if self.pool is not None:
            self.pool.give_back(self.buffer)


cdef object block(Buffer* buffer, Pool pool):
    """A view of what is in the buffer, which is its owner from now on; a new one takes its place."""
    cdef Block made = Block.__new__(Block)
    if not reserve(buffer, 1):      # a view of nothing has an address too
        raise MemoryError
    made.buffer, made.pool = buffer[0], pool
    buffer[0] = pool.take()
    return memoryview(made)


@cython.no_gc_clear
cdef class Columns:
    """The batch that is being read. take() hands it over and begins the next one."""

    def __cinit__(self):
        self._values, self._keys, self._header_data = Pool(), Pool(), Pool()
        self._arrays = {}

    def __dealloc__(self):
        free_filling(&self.filling)

    @property
    def events(self):
        return self.filling.count

    @property
    def size(self):
        """Bytes of the values."""
        return self.filling.values.size

    cdef reserve(self, int64_t rows):
        """Room for so many messages more."""
        cdef int32_t[::1] topic, partition
        cdef int64_t[::1] offset, timestamp, value_offsets, key_offsets
        cdef uint8_t[::1] flags
        cdef int64_t count = self.filling.count
        if count + rows <= self._room:
            return
        self._room = max(count + rows, 2 * count)
        for name, kind in _KINDS.items():
            grown = np.empty(self._room + 1, kind)
            grown[: count + 1] = self._arrays[name][: count + 1] if name in self._arrays else 0
            self._arrays[name] = grown
        topic, partition, flags = self._arrays["topic"], self._arrays["partition"], self._arrays["flags"]
        offset, timestamp = self._arrays["offset"], self._arrays["timestamp"]
        value_offsets, key_offsets = self._arrays["value_offsets"], self._arrays["key_offsets"]
        self.filling.topic, self.filling.partition, self.filling.flags = &topic[0], &partition[0], &flags[0]
        self.filling.offset, self.filling.timestamp = &offset[0], &timestamp[0]
        self.filling.value_end, self.filling.key_end = &value_offsets[1], &key_offsets[1]

    def take(self):
        """(fields of `stream.messages.Messages`, (data, places) of the headers or None); see headers.py."""
        cdef int64_t n = self.filling.count
        self.reserve(0 if self._arrays else 1)
        taken = {name: array[: n + name.endswith("_offsets")] for name, array in self._arrays.items()}
        taken["topics"] = tuple(self.filling.seen[i].name.decode() for i in range(self.filling.seen_count))
        taken["values"] = block(&self.filling.values, self._values)
        taken["keys"] = block(&self.filling.keys, self._keys)
        headers = self._take_headers()
        forget_topics(&self.filling)
        self._arrays = {}
        self._room = self.filling.count = 0
        return taken, headers

    def _take_headers(self):
        cdef int64_t[:, ::1] copied
        if not self.filling.header_count:
            return None
        places = copied = np.empty((self.filling.header_count, 4), np.int64)
        memcpy(&copied[0, 0], self.filling.headers, self.filling.header_count * 4 * sizeof(int64_t))
        self.filling.header_count = 0
        return block(&self.filling.header_data, self._header_data), np.asarray(places)

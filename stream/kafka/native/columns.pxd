# cython: language_level=3
from libc.stdint cimport int64_t

from stream.kafka.native.filling cimport Buffer, Filling

cdef enum:
    SPARE = 4                   # buffers that wait in a pool
    SPARE_BYTES = 64 << 20      # larger ones are freed

cdef class Pool:
    cdef Buffer spare[SPARE]
    cdef Buffer take(self) noexcept
    cdef void give_back(self, Buffer buffer) noexcept

cdef class Block:
    cdef Buffer buffer
    cdef Pool pool

cdef class Columns:
    cdef Filling filling
    cdef int64_t _room
    cdef Pool _values, _keys, _header_data
    cdef dict _arrays
    cdef reserve(self, int64_t rows)

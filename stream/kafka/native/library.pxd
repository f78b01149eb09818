# cython: language_level=3
from stream.kafka.native.rdkafka cimport Api, Kafka

ctypedef void* (*OpaqueFn)(const Kafka*) noexcept nogil

cdef class Library:
    cdef Api api
    cdef readonly str path
    cdef readonly int version
    cdef _open(self, bytes path)

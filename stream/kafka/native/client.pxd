# cython: language_level=3
from stream.kafka.native.library cimport Library
from stream.kafka.native.logbook cimport Logbook
from stream.kafka.native.rdkafka cimport Conf, Error, Kafka, Places

cdef class Client:
    cdef readonly Library library
    cdef Kafka* kafka
    cdef Logbook* book
    cdef bint closed
    cdef object _on_error, _on_statistics, _on_rebalance, _raised, _log
    cdef _open(self, bint consumer, properties)
    cdef void _close(self) noexcept
    cdef told(self, int code, str text)
    cdef counted(self, str text)
    cdef void raised(self, object error)
    cdef rebalanced(self, int code, Places* places)
    cdef served(self)
    cdef check(self, Error* error)
    cdef check_code(self, int code)

cdef class PlaceList:
    cdef Library library
    cdef Places* places

cdef PlaceList place_list(Library library, object partitions)
cdef list places_in(Places* places)
cdef int milliseconds(object seconds) except? -1

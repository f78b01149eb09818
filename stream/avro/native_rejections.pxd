# cython: language_level=3
"""The messages or rows that a pass did not take, noted without the GIL."""

from libc.stdint cimport int64_t
from libc.stdlib cimport realloc

cdef struct Rejection:
    int64_t row
    int fault
    int at      # the operation that found it

cdef struct Rejections:
    Rejection* items
    int64_t count
    int64_t room


cdef inline bint reject(Rejections* found, int64_t row, int fault, int at) noexcept nogil:
    """Notes one; False when there is no memory for that."""
    cdef int64_t room
    cdef Rejection* items
    if found.count == found.room:
        room = 2 * found.room + 64
        items = <Rejection*>realloc(found.items, room * sizeof(Rejection))
        if items == NULL:
            return False
        found.items, found.room = items, room
    found.items[found.count] = Rejection(row, fault, at)
    found.count += 1
    return True

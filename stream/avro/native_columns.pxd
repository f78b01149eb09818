# cython: language_level=3
"""Arrow columns that grow while a pass appends to them, and that a rejected message is taken out of again.

A column's buffers are its own, 64-byte aligned. Rows are reserved ahead (for the messages of a call, for the
items of a block), so that appending a value is a store; only text grows while it is appended to. A validity
bitmap comes into being with the first null, all ones, and a null clears its bit: a valid value costs nothing.
"""

from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from stream.avro.native_wire cimport Fault, load64

cdef extern from "stdlib.h" nogil:
    void* aligned_alloc(size_t alignment, size_t size)

cdef enum Layout:
    NULLS = 0       # no buffers
    BITS = 1        # booleans
    FIXED = 2       # numbers of `width` bytes in data
    WIDE = 3        # fixed-size binary: in bytes, grows like text
    TEXT = 4        # offsets in data, bytes
    LIST = 5        # offsets in data, items in the child; maps too
    STRUCT = 6

cdef struct Column:
    int layout
    int width
    int child       # the first column inside of this one
    int end         # behind the last column inside of this one
    int64_t length
    int64_t nulls
    int64_t used    # bytes
    int64_t rows    # for which data has room
    int64_t bitmap  # rows for which valid has room
    int64_t room    # of bytes, in bytes
    uint8_t* valid
    uint8_t* data
    uint8_t* bytes


cdef inline bint grow(uint8_t** buffer, int64_t keep, int64_t size) noexcept nogil:
    """A buffer of at least size bytes with the first `keep` bytes of the old one."""
    cdef uint8_t* grown = <uint8_t*>aligned_alloc(64, (size + 63) & ~<int64_t>63)
    if grown == NULL:
        return False
    if keep > 0:
        memcpy(grown, buffer[0], keep)
    free(buffer[0])
    buffer[0] = grown
    return True


cdef inline int64_t data_bytes(const Column* c, int64_t rows) noexcept nogil:
    """What `rows` rows take in the data buffer."""
    if c.layout == Layout.FIXED:
        return rows * c.width
    if c.layout == Layout.BITS:
        return (rows + 7) >> 3
    if c.layout == Layout.TEXT or c.layout == Layout.LIST:
        return (rows + 1) * 4
    return 0


cdef inline bint grow_bitmap(Column* c) noexcept nogil:
    """A validity bitmap for all rows that data has room for; rows to come are valid."""
    cdef int64_t set_up = c.bitmap >> 3 if c.nulls > 0 else 0
    cdef int64_t size = (c.rows + 7) >> 3
    if size > c.bitmap >> 3:
        if not grow(&c.valid, set_up, size):
            return False
        c.bitmap = size << 3
    memset(c.valid + set_up, 0xFF, (c.bitmap >> 3) - set_up)
    return True


cdef inline bint grow_rows(Column* c, int64_t rows) noexcept nogil:
    cdef int64_t wanted = rows if rows > 2 * c.rows else 2 * c.rows
    cdef int64_t size
    wanted = (wanted + 63) & ~<int64_t>63
    size = data_bytes(c, wanted)
    if size > 0 and not grow(&c.data, data_bytes(c, c.length) if c.rows > 0 else 0, size):
        return False
    c.rows = wanted
    return c.nulls == 0 or grow_bitmap(c)


cdef inline int reserve(Column* columns, int first, int end, int64_t extra) noexcept nogil:
    """Room for `extra` more rows in the columns of one level: those from first to end that are in no list."""
    cdef int at = first
    cdef Column* c
    while at < end:
        c = &columns[at]
        if c.length + extra > c.rows:
            if c.length + extra > INT32_MAX:
                return Fault.FULL
            if not grow_rows(c, c.length + extra):
                return Fault.MEMORY
        at = c.end if c.layout == Layout.LIST else at + 1
    return Fault.OK


cdef inline int make_room(Column* c, int64_t size) noexcept nogil:
    """Room for `size` more bytes of text, and 16 beyond them, which a short text may be stored over."""
    cdef int64_t wanted = c.used + size + 16
    if wanted <= c.room:
        return Fault.OK
    if c.used + size > INT32_MAX and c.layout == Layout.TEXT:
        return Fault.FULL
    wanted = wanted if wanted > 2 * c.room else 2 * c.room
    wanted = wanted if wanted > 4096 else 4096
    if not grow(&c.bytes, c.used, wanted):
        return Fault.MEMORY
    c.room = wanted
    return Fault.OK


cdef inline bint clear(Column* c) noexcept nogil:
    """No rows; False when there is no memory for the buffers that a column without rows has too."""
    c.length = c.nulls = c.used = 0
    if c.rows == 0 and not grow_rows(c, 1):
        return False
    if (c.layout == Layout.TEXT or c.layout == Layout.WIDE) and make_room(c, 0) != Fault.OK:
        return False
    if c.layout == Layout.TEXT or c.layout == Layout.LIST:
        (<int32_t*>c.data)[0] = 0
    return True


cdef inline int append_text(Column* c, const uint8_t* text, int64_t size, const uint8_t* limit) noexcept nogil:
    """One value of TEXT or WIDE. 16 bytes can be read at text when it is not beyond limit."""
    cdef int fault
    cdef uint8_t* target
    if c.used + size + 16 > c.room:
        fault = make_room(c, size)
        if fault != Fault.OK:
            return fault
    target = c.bytes + c.used
    if size <= 16 and text <= limit:
        memcpy(target, text, 8)
        memcpy(target + 8, text + 8, 8)
    else:
        memcpy(target, text, size)
    c.used += size
    c.length += 1
    if c.layout == Layout.TEXT:
        (<int32_t*>c.data)[c.length] = <int32_t>c.used
    return Fault.OK


cdef inline void append_bit(Column* c, bint value) noexcept nogil:
    cdef uint8_t mask = <uint8_t>(1 << (c.length & 7))
    cdef uint8_t* byte = c.data + (c.length >> 3)
    byte[0] = byte[0] | mask if value else byte[0] & <uint8_t>~mask
    c.length += 1


cdef inline int append_empty(Column* columns, Column* c) noexcept nogil:
    """A row of zeros or of nothing, which stands in the buffers where a null is."""
    cdef int fault = Fault.OK
    cdef int at
    if c.layout == Layout.FIXED:
        memset(c.data + c.length * c.width, 0, c.width)
    elif c.layout == Layout.BITS:
        c.data[c.length >> 3] &= <uint8_t>~(1 << (c.length & 7))
    elif c.layout == Layout.TEXT:
        (<int32_t*>c.data)[c.length + 1] = <int32_t>c.used
    elif c.layout == Layout.LIST:
        (<int32_t*>c.data)[c.length + 1] = <int32_t>columns[c.child].length
    elif c.layout == Layout.WIDE:
        fault = make_room(c, c.width)
        if fault == Fault.OK:
            memset(c.bytes + c.used, 0, c.width)
            c.used += c.width
    elif c.layout == Layout.STRUCT:
        at = c.child
        while at < c.end and fault == Fault.OK:
            fault = append_empty(columns, &columns[at])
            at = columns[at].end
    c.length += 1
    return fault


cdef inline int append_null(Column* columns, Column* c) noexcept nogil:
    if c.layout != Layout.NULLS:
        if c.nulls == 0 and not grow_bitmap(c):
            return Fault.MEMORY
        c.nulls += 1
        c.valid[c.length >> 3] &= <uint8_t>~(1 << (c.length & 7))
    return append_empty(columns, c)


cdef inline void rollback(Column* columns, Column* c, int64_t length) noexcept nogil:
    """Back to `length` rows, and everything inside to what belongs to them."""
    cdef int64_t row
    cdef int at
    if c.nulls > 0:
        for row in range(length, c.length):
            c.valid[row >> 3] |= <uint8_t>(1 << (row & 7))
    if c.layout == Layout.TEXT:
        c.used = (<int32_t*>c.data)[length]
    elif c.layout == Layout.WIDE:
        c.used = length * c.width
    elif c.layout == Layout.LIST:
        rollback(columns, &columns[c.child], (<int32_t*>c.data)[length])
    elif c.layout == Layout.STRUCT:
        at = c.child
        while at < c.end:
            rollback(columns, &columns[at], length)
            at = columns[at].end
    c.length = length


cdef inline void rollback_level(Column* columns, int end, int64_t length) noexcept nogil:
    """All columns back to `length` messages."""
    cdef int at = 0
    while at < end:
        rollback(columns, &columns[at], length)
        at = columns[at].end

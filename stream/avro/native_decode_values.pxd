# cython: language_level=3, cdivision=True
"""The parts of the decoder's pass: what it is given, and the values that take more than a line to read."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from stream.avro.native_columns cimport Column, append_text
from stream.avro.native_wire cimport Fault, read_decimal, read_long, varint_fault, within

cdef struct Op:
    int code
    int column
    int jump
    int64_t size
    int64_t low
    int64_t high

cdef struct Machine:
    # What a pass reads, and what it counts. texts and data have 16 bytes more than are used.
    const Op* ops
    const int32_t* table
    const uint8_t* texts
    const uint8_t* texts_end
    const int64_t* text_offsets
    const uint8_t* data
    int64_t max_items
    int64_t max_empty_items
    int64_t items           # of the message in hand
    int64_t empty_items
    int at                  # the operation that found a fault


cdef inline int read_block(
    Machine* m, const uint8_t** place, const uint8_t* end, int64_t width, int64_t* count
) noexcept nogil:
    """The count of the next block of an array or map, 0 behind the last one."""
    cdef const uint8_t* p = place[0]
    cdef const uint8_t* next = read_long(p, end, count)
    cdef int64_t size
    cdef uint64_t items
    if next == NULL:
        return varint_fault(p, end)
    p = next
    items = <uint64_t>count[0]
    if count[0] < 0:
        items = 0 - items
        next = read_long(p, end, &size)
        if next == NULL:
            return varint_fault(p, end)
        p = next
        if size < 0:
            return Fault.NEGATIVE
        if size > end - p:
            return Fault.TOO_LONG
    if items > <uint64_t>(m.max_items - m.items):
        return Fault.ITEMS
    m.items += <int64_t>items
    if width == 0:
        m.empty_items += <int64_t>items
        if m.empty_items > m.max_empty_items:
            return Fault.ITEMS
    elif <int64_t>items > (end - p) // width:
        return Fault.BLOCK
    count[0] = <int64_t>items
    place[0] = p
    return Fault.OK


cdef inline void append_numbers(Column* c, const uint8_t* p, int64_t count) noexcept nogil:
    """Floats or doubles of a block, as they stand; read_block has seen that they are all there."""
    memcpy(c.data + c.length * c.width, p, count * c.width)
    c.length += count


cdef inline int append_uuid(Column* c, const uint8_t* p) noexcept nogil:
    """16 bytes as 8-4-4-4-12 hexadecimal digits."""
    cdef uint8_t text[48]
    cdef int i
    cdef int at = 0
    for i in range(16):
        if i == 4 or i == 6 or i == 8 or i == 10:
            text[at] = c"-"
            at += 1
        text[at] = b"0123456789abcdef"[p[i] >> 4]
        text[at + 1] = b"0123456789abcdef"[p[i] & 15]
        at += 2
    return append_text(c, text, 36, NULL)


cdef inline int append_decimal(Column* c, const Op* op, const uint8_t* p, int64_t size) noexcept nogil:
    cdef uint64_t low
    cdef int64_t high
    if not read_decimal(p, size, &low, &high) or not within(low, high, <uint64_t>op.low, op.high):
        return Fault.DIGITS
    (<uint64_t*>c.data)[2 * c.length] = low
    (<int64_t*>c.data)[2 * c.length + 1] = high
    c.length += 1
    return Fault.OK

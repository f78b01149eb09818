# cython: language_level=3
"""The pass of the native encoder: a program of `encode_program.py` run over one row of Arrow columns.

No Python object is made for a row or a field, and the GIL is not held. What the operations mean is said where
they are run, in `run`.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memcmp, memcpy

from stream.avro.native_encode cimport Code
from stream.avro.native_wire cimport (
    Fault,
    decimal_bytes,
    is_utf8,
    load64,
    within,
    write_decimal,
    write_long,
)

cdef struct Op:
    int code
    int column
    int jump
    int64_t size
    int64_t low
    int64_t high

cdef struct Input:
    # The buffers of one Arrow array; values and offsets start at row 0, bits at bit `shift`.
    const uint8_t* valid
    const uint8_t* data
    const int32_t* offsets
    int64_t shift

cdef struct Frame:
    # An array or map that is open: the row that it is in, its last item, what was reserved before it.
    int64_t row
    int64_t last
    int64_t reserved

cdef struct Output:
    uint8_t* data
    uint8_t* p
    uint8_t* end

cdef struct Machine:
    const Op* ops
    const Input* inputs
    const int32_t* table
    const uint8_t* texts
    const int64_t* text_offsets
    Frame* frames
    int64_t width       # the most bytes of a row, texts and items not counted
    int at              # the operation that found a fault
    void* memory        # of inputs and frames


cdef inline bint bit(const uint8_t* bits, int64_t at) noexcept nogil:
    return bits[at >> 3] >> (at & 7) & 1


cdef inline uint32_t load32(const uint8_t* p) noexcept nogil:
    cdef uint32_t word
    memcpy(&word, p, 4)
    return word


cdef inline bint make_room(Output* out, int64_t size) noexcept nogil:
    """Room for size more bytes; False when there is no memory."""
    cdef int64_t used = out.p - out.data
    cdef int64_t wanted = 2 * (out.end - out.data)
    cdef uint8_t* data
    if out.end - out.p >= size:
        return True
    if wanted < used + size:
        wanted = used + size
    data = <uint8_t*>realloc(out.data, wanted)
    if data == NULL:
        return False
    out.data = data
    out.p = data + used
    out.end = data + wanted
    return True


cdef inline bint copy_text(uint8_t* to, const uint8_t* text, int64_t size) noexcept nogil:
    """Copies a text; whether it is ASCII, as far as that is known without looking twice."""
    cdef uint64_t first, last
    cdef int64_t i
    if size > 16:
        memcpy(to, text, size)
        return False
    if size >= 8:
        first, last = load64(text), load64(text + size - 8)
        memcpy(to, &first, 8)
        memcpy(to + size - 8, &last, 8)
        return ((first | last) & <uint64_t>0x8080808080808080) == 0
    first = 0
    for i in range(size):
        first |= text[i]
        to[i] = text[i]
    return (first & 0x80) == 0


cdef inline uint64_t hash_text(const uint8_t* p, int64_t size) noexcept nogil:
    """Mixes the length with the first and the last bytes."""
    cdef uint64_t first = 0
    cdef uint64_t last = 0
    if size >= 8:
        first, last = load64(p), load64(p + size - 8)
    elif size >= 4:
        first, last = load32(p), load32(p + size - 4)
    elif size > 0:
        first = p[0] | <uint64_t>p[size >> 1] << 8 | <uint64_t>p[size - 1] << 16
    first = (first ^ (last << 23 | last >> 41) ^ <uint64_t>size) * <uint64_t>0x9E3779B97F4A7C15
    return first >> 32


cdef inline int find_symbol(Machine* m, const Op* op, const uint8_t* text, int64_t size) noexcept nogil:
    """The index of a symbol or -1. jump: start of the hash table; high: its size - 1; low: the first text."""
    cdef int64_t at = <int64_t>(hash_text(text, size) & <uint64_t>op.high)
    cdef const int64_t* place
    cdef int index
    while True:
        index = m.table[op.jump + at]
        if index < 0:
            return -1
        place = m.text_offsets + op.low + index
        if place[1] - place[0] == size and memcmp(m.texts + place[0], text, size) == 0:
            return index
        at = (at + 1) & op.high


cdef inline int digit(uint8_t c) noexcept nogil:
    if c"0" <= c <= c"9":
        return c - c"0"
    c |= 0x20
    return c - c"a" + 10 if c"a" <= c <= c"f" else -1


cdef inline bint read_uuid(uint8_t* to, const uint8_t* text, int64_t size) noexcept nogil:
    """32 hexadecimal digits, with hyphens between them or without, to 16 bytes; False for another text."""
    cdef int64_t i
    cdef int count = 0
    cdef int value
    for i in range(size):
        if text[i] == c"-":
            continue
        value = digit(text[i])
        if value < 0 or count == 32:
            return False
        to[count >> 1] = <uint8_t>(value if count & 1 == 0 else to[count >> 1] << 4 | value)
        count += 1
    return count == 32


cdef inline int run(Machine* m, int64_t row, Output* out) noexcept nogil:
    """One row behind out.p; the fault found, with its operation in m.at.

    out.p is behind the row, or, after a fault, where it was.
    """
    cdef const Op* op
    cdef const Input* c
    cdef const uint8_t* text
    cdef Frame* frame = m.frames
    cdef int64_t start = out.p - out.data
    cdef int64_t reserved = m.width
    cdef int64_t size = 0
    cdef const Op* following = m.ops
    cdef int fault = Fault.OK
    cdef uint8_t* p
    if not make_room(out, reserved):
        return Fault.MEMORY
    p = out.p
    while True:
        op = following
        following = op + 1
        c = <const Input*>(<const uint8_t*>m.inputs + op.column)
        if op.code == Code.END:
            break
        if op.code == Code.OPTION:
            # low: the index of null in a union of two, high: that of the other; a null goes to jump.
            if c.valid != NULL and not bit(c.valid, row + c.shift):
                p[0] = <uint8_t>(2 * op.low)
                following = m.ops + op.jump
            else:
                p[0] = <uint8_t>(2 * op.high)
            p += 1
            continue
        if op.code == Code.ARRAY_END:
            row += 1
            if row < frame.last:
                following = m.ops + op.jump
            else:
                p[0] = 0
                p += 1
                row, reserved = frame.row, frame.reserved
                frame -= 1
            continue
        if c.valid != NULL and not bit(c.valid, row + c.shift):
            fault = Fault.NULL_VALUE
            break
        if op.code == Code.LONG:
            p = write_long(p, <int64_t>load64(c.data + 8 * row))
        elif op.code == Code.INT:
            p = write_long(p, <int32_t>load32(c.data + 4 * row))
        elif op.code == Code.DOUBLE:
            memcpy(p, c.data + 8 * row, 8)
            p += 8
        elif op.code == Code.FLOAT:
            memcpy(p, c.data + 4 * row, 4)
            p += 4
        elif op.code == Code.BOOL:
            p[0] = bit(c.data, row + c.shift)
            p += 1
        elif op.code == Code.STRING or op.code == Code.BYTES:
            text = c.data + c.offsets[row]
            size = c.offsets[row + 1] - c.offsets[row]
            if out.end - p < size + reserved:
                out.p = p
                if not make_room(out, size + reserved):
                    return Fault.MEMORY
                p = out.p
            p = write_long(p, size)
            if not copy_text(p, text, size) and op.code == Code.STRING and not is_utf8(text, size):
                fault = Fault.UTF8
                break
            p += size
        elif op.code == Code.ENUM:
            text = c.data + c.offsets[row]
            size = find_symbol(m, op, text, c.offsets[row + 1] - c.offsets[row])
            if size < 0:
                fault = Fault.SYMBOL
                break
            p = write_long(p, size)
        elif op.code == Code.FIXED:
            memcpy(p, c.data + op.size * row, op.size)
            p += op.size
        elif op.code == Code.DECIMAL or op.code == Code.DECIMAL_FIXED:
            if not within((<const uint64_t*>c.data)[2 * row], (<const int64_t*>c.data)[2 * row + 1],
                          <uint64_t>op.low, op.high):
                fault = Fault.DIGITS
                break
            size = op.size
            if op.code == Code.DECIMAL:
                size = decimal_bytes((<const uint64_t*>c.data)[2 * row], (<const int64_t*>c.data)[2 * row + 1])
                p = write_long(p, size)
            write_decimal(p, size, (<const uint64_t*>c.data)[2 * row], (<const int64_t*>c.data)[2 * row + 1])
            p += size
        elif op.code == Code.UUID_FIXED:
            if not read_uuid(p, c.data + c.offsets[row], c.offsets[row + 1] - c.offsets[row]):
                fault = Fault.UUID
                break
            p += 16
        elif op.code == Code.ARRAY:
            # size: most bytes of an item; low: 1 when items are floats or doubles as they stand.
            size = c.offsets[row + 1] - c.offsets[row]
            if size == 0:
                p[0] = 0
                p += 1
                following = m.ops + op.jump
                continue
            frame += 1
            frame.row, frame.last, frame.reserved = row, c.offsets[row + 1], reserved
            row = c.offsets[row]
            reserved += size * op.size
            if out.end - p < reserved:
                out.p = p
                if not make_room(out, reserved):
                    return Fault.MEMORY
                p = out.p
            p = write_long(p, size)
            if op.low and c[1].valid == NULL:
                memcpy(p, c[1].data + op.size * row, size * op.size)
                p += size * op.size
                row = frame.last - 1
                following = m.ops + op.jump - 1
        else:
            # STRUCT_ROW: only whether it is null.
            pass
    m.at = <int>(op - m.ops)
    out.p = p if fault == Fault.OK else out.data + start
    return fault

# cython: language_level=3
"""The pass of the native decoder: a program of `decode_program.py` run over the bytes of one message.

No Python object is made for a message or a field, and the GIL is not held. Which checks there are, and in which
order, is in `codec.py`.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from stream.avro.native_columns cimport Column, append_bit, append_null, append_text, reserve
from stream.avro.native_decode cimport Code
from stream.avro.native_decode_values cimport Machine, Op, append_decimal, append_numbers, append_uuid, read_block
from stream.avro.native_export cimport ColumnSet
from stream.avro.native_wire cimport Fault, is_short_ascii, is_utf8, read_long, varint_fault


cdef inline int run(
    Machine* m, ColumnSet* s, const uint8_t* p, const uint8_t* end, const uint8_t* limit
) noexcept nogil:
    """One message into one row of all columns; the fault found, with its operation in m.at.

    Columns may hold a part of the message after a fault. 16 bytes can be read where p is not beyond limit.
    """
    cdef const Op* op
    cdef Column* c
    cdef const uint8_t* next = m.data
    cdef const uint8_t* message = NULL
    cdef const uint8_t* message_end = NULL
    cdef const uint8_t* message_limit = NULL
    cdef int64_t* left = s.left
    cdef const uint8_t* block
    cdef int64_t value = 0
    cdef int64_t count = 0
    cdef int64_t items = 0
    cdef int64_t empty_items = 0
    cdef const Op* following = m.ops
    cdef int fault = Fault.OK
    cdef float single
    m.items = m.empty_items = 0
    while True:
        op = following
        following = op + 1
        c = <Column*>(<uint8_t*>s.columns + op.column)
        if op.code == Code.LONG:
            next = read_long(p, end, &value)
            if next == NULL:
                break
            p = next
            (<int64_t*>c.data)[c.length] = value
            c.length += 1
        elif op.code == Code.INT:
            next = read_long(p, end, &value)
            if next == NULL:
                break
            if value < op.low or value > op.high:
                fault = Fault.RANGE
                break
            p = next
            (<int32_t*>c.data)[c.length] = <int32_t>value
            c.length += 1
        elif op.code == Code.DOUBLE:
            if end - p < 8:
                fault = Fault.ENDS
                break
            memcpy(c.data + 8 * c.length, p, 8)
            c.length += 1
            p += 8
        elif op.code == Code.STRING:
            next = read_long(p, end, &value)
            if next == NULL:
                break
            p = next
            if <uint64_t>value > <uint64_t>(end - p):
                fault = Fault.NEGATIVE if value < 0 else Fault.TOO_LONG
                break
            if not (value <= 16 and p <= limit and is_short_ascii(p, value)) and not is_utf8(p, value):
                fault = Fault.UTF8
                break
            fault = append_text(c, p, value, limit)
            if fault != Fault.OK:
                break
            p += value
        elif op.code == Code.OPTION or op.code == Code.SKIP_OPTION:
            # low: the index of null in a union of two; a null goes into the column, if any, and to jump.
            next = read_long(p, end, &value)
            if next == NULL:
                break
            if <uint64_t>value > 1:
                fault = Fault.INDEX
                break
            p = next
            if value == op.low:
                following = m.ops + op.jump
                fault = append_null(s.columns, c) if op.code == Code.OPTION else Fault.OK
                if fault != Fault.OK:
                    break
        elif op.code == Code.END:
            if p != end:
                fault = Fault.TRAILING
            break
        elif op.code == Code.BOOL:
            if p >= end:
                fault = Fault.ENDS
                break
            if p[0] > 1:
                fault = Fault.BOOLEAN
                break
            append_bit(c, p[0])
            p += 1
        elif op.code == Code.FLOAT:
            if end - p < 4:
                fault = Fault.ENDS
                break
            memcpy(c.data + 4 * c.length, p, 4)
            c.length += 1
            p += 4
        elif op.code == Code.FLOAT_DOUBLE:
            if end - p < 4:
                fault = Fault.ENDS
                break
            memcpy(&single, p, 4)
            (<double*>c.data)[c.length] = single
            c.length += 1
            p += 4
        elif op.code in (Code.INT_LONG, Code.INT_FLOAT, Code.INT_DOUBLE, Code.TIME_LONG, Code.LONG_FLOAT, Code.LONG_DOUBLE):
            next = read_long(p, end, &value)
            if next == NULL:
                break
            if value < op.low or value > op.high:
                fault = Fault.RANGE
                break
            p = next
            if op.code == Code.INT_LONG or op.code == Code.TIME_LONG:
                (<int64_t*>c.data)[c.length] = value
            elif op.code == Code.INT_FLOAT or op.code == Code.LONG_FLOAT:
                (<float*>c.data)[c.length] = <float>value
            else:
                (<double*>c.data)[c.length] = <double>value
            c.length += 1
        elif op.code == Code.BYTES or op.code == Code.DECIMAL:
            next = read_long(p, end, &value)
            if next == NULL:
                break
            p = next
            if <uint64_t>value > <uint64_t>(end - p):
                fault = Fault.NEGATIVE if value < 0 else Fault.TOO_LONG
                break
            fault = append_text(c, p, value, limit) if op.code == Code.BYTES else append_decimal(c, op, p, value)
            if fault != Fault.OK:
                break
            p += value
        elif op.code in (Code.FIXED, Code.DECIMAL_FIXED, Code.UUID_FIXED):
            if end - p < op.size:
                fault = Fault.TOO_LONG
                break
            if op.code == Code.FIXED:
                fault = append_text(c, p, op.size, limit)
            elif op.code == Code.DECIMAL_FIXED:
                fault = append_decimal(c, op, p, op.size)
            else:
                fault = append_uuid(c, p)
            if fault != Fault.OK:
                break
            p += op.size
        elif op.code == Code.ENUM:
            # size: symbols of the writer; the table has, from low on, the text of each or -1.
            next = read_long(p, end, &value)
            if next == NULL:
                break
            if <uint64_t>value >= <uint64_t>op.size:
                fault = Fault.INDEX
                break
            p = next
            value = m.table[op.low + value]
            if value < 0:
                fault = Fault.SYMBOL
                break
            fault = append_text(
                c,
                m.texts + m.text_offsets[value],
                m.text_offsets[value + 1] - m.text_offsets[value],
                m.texts_end,
            )
            if fault != Fault.OK:
                break
        elif op.code == Code.UNION:
            # size: branches of the writer; the table has, from low on, the operation of each.
            next = read_long(p, end, &value)
            if next == NULL:
                break
            if <uint64_t>value >= <uint64_t>op.size:
                fault = Fault.INDEX
                break
            p = next
            following = m.ops + m.table[op.low + value]
        elif op.code == Code.STRUCT_ROW:
            c.length += 1
        elif op.code == Code.NULL_ROW:
            fault = append_null(s.columns, c)
            if fault != Fault.OK:
                break
        elif op.code == Code.JUMP:
            following = m.ops + op.jump
        elif op.code == Code.ARRAY:
            # The end of an array asks for the next block; jump is there.
            left += 1
            left[0] = 1
            following = m.ops + op.jump
        elif op.code == Code.ARRAY_END:
            # size: fewest bytes of an item; low: 1 when items are floats or doubles as they stand.
            left[0] -= 1
            if left[0] > 0:
                following = m.ops + op.jump
                continue
            block = p
            fault = read_block(m, &block, end, op.size, &count)
            if fault == Fault.OK:
                fault = reserve(s.columns, c.child, c.end, count)
            if fault != Fault.OK:
                break
            p = block
            if count == 0:
                c.length += 1
                (<int32_t*>c.data)[c.length] = <int32_t>s.columns[c.child].length
                left -= 1
            elif op.low:
                append_numbers(&s.columns[c.child], p, count)
                p += count * op.size
                left[0] = 1
                following = op
            else:
                left[0] = count
                following = m.ops + op.jump
        elif op.code == Code.SKIP_ARRAY_END:
            left[0] -= 1
            if left[0] > 0:
                following = m.ops + op.jump
                continue
            block = p
            fault = read_block(m, &block, end, op.size, &count)
            if fault != Fault.OK:
                break
            p = block
            left[0] = count
            if count == 0:
                left -= 1
            else:
                following = m.ops + op.jump
        elif op.code == Code.DEFAULT:
            # The bytes of a default, size of them from low on, are read in place of the message's.
            message, message_end, message_limit = p, end, limit
            items, empty_items = m.items, m.empty_items
            m.items = m.empty_items = -(<int64_t>1 << 60)
            p = m.data + op.low
            end = p + op.size
            limit = p + op.size
        elif op.code == Code.DEFAULT_END:
            p, end, limit = message, message_end, message_limit
            m.items, m.empty_items = items, empty_items
        elif op.code == Code.SKIP_INT or op.code == Code.SKIP_LONG or op.code == Code.SKIP_ENUM:
            next = read_long(p, end, &value)
            if next == NULL:
                break
            if value < op.low or value > op.high:
                fault = Fault.INDEX if op.code == Code.SKIP_ENUM else Fault.RANGE
                break
            p = next
        elif op.code == Code.SKIP_BYTES:
            next = read_long(p, end, &value)
            if next == NULL:
                break
            p = next
            if <uint64_t>value > <uint64_t>(end - p):
                fault = Fault.NEGATIVE if value < 0 else Fault.TOO_LONG
                break
            p += value
        elif op.code == Code.SKIP_FIXED:
            if end - p < op.size:
                fault = Fault.TOO_LONG
                break
            p += op.size
        elif op.code == Code.SKIP_BOOL:
            if p >= end:
                fault = Fault.ENDS
                break
            if p[0] > 1:
                fault = Fault.BOOLEAN
                break
            p += 1
        else:
            fault = Fault.REFUSED
            break
    m.at = <int>(op - m.ops)
    return varint_fault(p, end) if next == NULL else fault

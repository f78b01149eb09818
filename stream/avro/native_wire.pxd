# cython: language_level=3
"""Avro's binary encoding, as inline functions of the native codec: numbers, UTF-8, decimals.

Source: Avro 1.12 specification, "Binary Encoding". Only little-endian machines (native.py sees to it).
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

cdef enum Fault:
    # Why a message or a row is not taken; native_decode and native_encode have a text for each.
    OK = 0
    ENDS = 1            # the data ends inside a value
    LONG_VARINT = 2     # more than 10 bytes or 64 bits
    RANGE = 3           # a number outside of its bounds
    NEGATIVE = 4        # a length or block size below 0
    TOO_LONG = 5        # a length beyond the bytes left
    INDEX = 6           # a union or enum index that the schema does not have
    BOOLEAN = 7
    DIGITS = 8          # a decimal of more digits than its precision
    ITEMS = 9           # more items than a message may have
    BLOCK = 10          # more items in a block than bytes are left
    UTF8 = 11
    SYMBOL = 12         # an enum symbol that the other side does not have
    TRAILING = 13
    REFUSED = 14        # what the program says at this place
    NULL_VALUE = 15     # a null where the schema takes none
    UUID = 16
    FULL = 17           # a column beyond what 32-bit offsets reach; not the message's fault
    MEMORY = 18
    BOUNDS = 19         # starts or ends beyond the buffer; the caller's fault


cdef inline uint64_t load64(const uint8_t* p) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, p, 8)
    return word


cdef inline const uint8_t* read_long(const uint8_t* p, const uint8_t* end, int64_t* value) noexcept nogil:
    """The place behind the number, or NULL; `varint_fault` then says why."""
    cdef uint64_t raw = 0
    cdef uint64_t byte
    cdef int shift = 0
    while p < end:
        byte = p[0]
        p += 1
        raw |= (byte & 0x7F) << shift
        if byte < 0x80:
            if shift == 63 and byte > 1:
                return NULL
            value[0] = <int64_t>((raw >> 1) ^ (0 - (raw & 1)))
            return p
        shift += 7
        if shift > 63:
            return NULL
    return NULL


cdef inline int varint_fault(const uint8_t* p, const uint8_t* end) noexcept nogil:
    """Why `read_long` answered NULL here."""
    cdef int i
    for i in range(10):
        if p + i >= end:
            return Fault.ENDS
        if p[i] < 0x80:
            break
    return Fault.LONG_VARINT


cdef inline uint8_t* write_long(uint8_t* p, int64_t value) noexcept nogil:
    """The place behind the number; up to 10 bytes are written."""
    cdef uint64_t raw = (<uint64_t>value << 1) ^ <uint64_t>(value >> 63)
    while raw >= 0x80:
        p[0] = <uint8_t>(raw | 0x80)
        p += 1
        raw >>= 7
    p[0] = <uint8_t>raw
    return p + 1


cdef inline bint is_ascii(const uint8_t* p, int64_t size) noexcept nogil:
    cdef uint64_t seen = 0
    cdef int64_t i = 0
    while i + 8 <= size:
        seen |= load64(p + i)
        i += 8
    while i < size:
        seen |= p[i]
        i += 1
    return (seen & <uint64_t>0x8080808080808080) == 0


cdef inline bint is_short_ascii(const uint8_t* p, int64_t size) noexcept nogil:
    """The same for at most 16 bytes, of a place where 16 can be read."""
    cdef int shift = <int>(4 * (8 - (size & 7)))
    cdef uint64_t first = load64(p)
    cdef uint64_t second = load64(p + 8)
    if size < 8:
        first = first << shift << shift
        second = 0
    elif size < 16:
        second = second << shift << shift
    return ((first | second) & <uint64_t>0x8080808080808080) == 0


cdef inline int64_t utf8_character(const uint8_t* p, int64_t left) noexcept nogil:
    """Bytes of the character that starts here, 0 when it is none (RFC 3629: no surrogates, no long forms)."""
    cdef uint8_t first = p[0]
    cdef uint8_t low = 0x80
    cdef uint8_t high = 0xBF
    cdef int64_t i, size
    if first < 0x80:
        return 1
    if first < 0xC2 or first > 0xF4:
        return 0
    size = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if size > left:
        return 0
    if first == 0xE0:
        low = 0xA0
    elif first == 0xED:
        high = 0x9F
    elif first == 0xF0:
        low = 0x90
    elif first == 0xF4:
        high = 0x8F
    if p[1] < low or p[1] > high:
        return 0
    for i in range(2, size):
        if p[i] & 0xC0 != 0x80:
            return 0
    return size


cdef inline bint is_utf8(const uint8_t* p, int64_t size) noexcept nogil:
    cdef int64_t i = 0
    cdef int64_t step
    if is_ascii(p, size):
        return True
    while i < size:
        step = utf8_character(p + i, size - i)
        if step == 0:
            return False
        i += step
    return True


cdef inline bint within(uint64_t low, int64_t high, uint64_t bound_low, int64_t bound_high) noexcept nogil:
    """Whether the magnitude of the 128-bit integer (high, low) is below the bound."""
    cdef uint64_t top = <uint64_t>high
    if high < 0:
        low = 0 - low
        top = ~top + (low == 0)
    return top < <uint64_t>bound_high or (top == <uint64_t>bound_high and low < bound_low)


cdef inline bint read_decimal(const uint8_t* p, int64_t size, uint64_t* low, int64_t* high) noexcept nogil:
    """Big-endian two's complement of any size to 128 bits; False when it takes more."""
    cdef uint64_t l, h
    cdef int64_t i = 0
    cdef uint8_t sign = 0xFF if size > 0 and p[0] & 0x80 else 0
    while size - i > 16:
        if p[i] != sign:
            return False
        i += 1
    if size > 16 and (p[i] ^ sign) & 0x80:
        return False
    l = h = 0 - <uint64_t>(sign & 1)
    while i < size:
        h = h << 8 | l >> 56
        l = l << 8 | p[i]
        i += 1
    low[0] = l
    high[0] = <int64_t>h
    return True


cdef inline int64_t decimal_bytes(uint64_t low, int64_t high) noexcept nogil:
    """The fewest bytes of two's complement that hold a 128-bit integer."""
    cdef uint64_t sign = <uint64_t>(high >> 63)
    cdef uint64_t word = <uint64_t>high ^ sign
    cdef int64_t size = 9
    if word == 0:
        word = low ^ sign
        size = 1
    while word >= 0x80:
        word >>= 8
        size += 1
    return size


cdef inline void write_decimal(uint8_t* p, int64_t size, uint64_t low, int64_t high) noexcept nogil:
    """size bytes of big-endian two's complement."""
    cdef int64_t i
    for i in range(size - 1, -1, -1):
        p[i] = <uint8_t>low
        low = low >> 8 | <uint64_t>high << 56
        high >>= 8

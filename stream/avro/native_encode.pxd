# cython: language_level=3
"""The operations of an encoder's program; Python sees them as the enumeration native_encode.Code."""

cpdef enum Code:
    END
    STRUCT_ROW
    OPTION
    ARRAY
    ARRAY_END
    BOOL
    INT
    LONG
    FLOAT
    DOUBLE
    STRING
    BYTES
    FIXED
    DECIMAL
    DECIMAL_FIXED
    UUID_FIXED
    ENUM

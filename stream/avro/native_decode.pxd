# cython: language_level=3
"""The operations of a decoder's program; Python sees them as the enumeration native_decode.Code."""

cpdef enum Code:
    # The program
    END
    FAIL            # what the schemas do not resolve, or is too deep
    JUMP
    # Structure
    NULL_ROW
    STRUCT_ROW
    OPTION
    UNION
    ARRAY
    ARRAY_END
    DEFAULT
    DEFAULT_END
    # Values, from the writer's type to the reader's
    BOOL
    INT
    INT_LONG
    INT_FLOAT
    INT_DOUBLE
    LONG
    TIME_LONG
    LONG_FLOAT
    LONG_DOUBLE
    FLOAT
    FLOAT_DOUBLE
    DOUBLE
    STRING
    BYTES
    FIXED
    DECIMAL
    DECIMAL_FIXED
    UUID_FIXED
    ENUM
    # Values that the reader does not have
    SKIP_BOOL
    SKIP_INT
    SKIP_LONG
    SKIP_BYTES
    SKIP_FIXED
    SKIP_ENUM
    SKIP_OPTION
    SKIP_ARRAY_END

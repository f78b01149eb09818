# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The native decoder: holds a program, runs it over the messages of a call, hands the columns to Arrow."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from stream.avro.native_arrow cimport ArrowArray
from stream.avro.native_columns cimport Column, Layout, reserve, rollback_level
from stream.avro.native_decode_pass cimport run
from stream.avro.native_decode_values cimport Machine, Op
from stream.avro.native_export cimport ColumnSet, Pool, export_set, give_back, leave_pool, new_pool, take_set
from stream.avro.native_rejections cimport Rejections, reject
from stream.avro.native_wire cimport Fault

import numpy as np
import pyarrow as pa

from stream.avro import codec

cdef enum:
    MOST_ITEMS = 1 << 30    # of a message, whatever its limits say, so that no sum of the pass overflows

_LAYOUTS = {
    "null": Layout.NULLS,
    "bits": Layout.BITS,
    "fixed": Layout.FIXED,
    "wide": Layout.WIDE,
    "text": Layout.TEXT,
    "list": Layout.LIST,
    "struct": Layout.STRUCT,
}
_CODES = {code.name: code.value for code in Code}
_VERDICTS = {
    Fault.ENDS: (codec.TRUNCATED, "the data ends inside a value"),
    Fault.TOO_LONG: (codec.TRUNCATED, "a value or a block of more bytes than are left"),
    Fault.BLOCK: (codec.TRUNCATED, "a block of more items than bytes are left"),
    Fault.LONG_VARINT: (codec.OUT_OF_RANGE, "a number of more than 10 bytes or 64 bits"),
    Fault.RANGE: (codec.OUT_OF_RANGE, "an int of more than 32 bits, or a time outside of the day"),
    Fault.NEGATIVE: (codec.OUT_OF_RANGE, "a negative length"),
    Fault.INDEX: (codec.OUT_OF_RANGE, "a union or enum index that the writer's schema does not have"),
    Fault.BOOLEAN: (codec.OUT_OF_RANGE, "a boolean that is neither 0 nor 1"),
    Fault.DIGITS: (codec.OUT_OF_RANGE, "a decimal of more digits than its precision"),
    Fault.ITEMS: (codec.TOO_MANY_ITEMS, "more items than a message may have"),
    Fault.UTF8: (codec.INVALID_UTF8, "text that is not UTF-8"),
    Fault.SYMBOL: (codec.UNRESOLVABLE, "an enum symbol that the reader's schema does not have"),
    Fault.TRAILING: (codec.TRAILING_BYTES, "bytes behind the datum"),
}


cdef int run_all(
    Machine* m, ColumnSet* s, const uint8_t* values, int64_t size, const int64_t* starts, const int64_t* ends,
    int64_t n, int64_t* rows, int64_t* accepted, Rejections* found,
) noexcept nogil:
    """All messages; what is returned beside OK is no message's fault."""
    cdef const uint8_t* limit = values + size - 16 if size >= 16 else NULL
    cdef int64_t row
    cdef int64_t taken = 0
    cdef int fault = reserve(s.columns, 0, s.count, n)
    if fault != Fault.OK:
        return fault
    for row in range(n):
        if starts[row] < 0 or ends[row] < starts[row] or ends[row] > size:
            return Fault.BOUNDS
        fault = run(m, s, values + starts[row], values + ends[row], limit)
        if fault == Fault.OK:
            rows[taken] = row
            taken += 1
            continue
        if fault == Fault.FULL or fault == Fault.MEMORY:
            return fault
        rollback_level(s.columns, s.count, taken)
        if not reject(found, row, fault, m.at):
            return Fault.MEMORY
    accepted[0] = taken
    return Fault.OK


cdef void drop_capsule(object capsule) noexcept:
    cdef ArrowArray* array = <ArrowArray*>PyCapsule_GetPointer(capsule, "arrow_array")
    if array.release != NULL:
        array.release(array)
    free(array)


cdef class _Columns:
    """A set of columns as an object of the Arrow PyCapsule interface."""

    cdef object schema, array

    def __arrow_c_array__(self, requested_schema=None):
        return self.schema.__arrow_c_schema__(), self.array


cdef object to_arrow(ColumnSet* s, int64_t rows, object schema):
    """The set as a record batch, which owns it from now on."""
    cdef ArrowArray* array = <ArrowArray*>malloc(sizeof(ArrowArray))
    cdef _Columns columns = _Columns.__new__(_Columns)
    if array == NULL:
        give_back(s)
        raise MemoryError
    memcpy(array, export_set(s, rows), sizeof(ArrowArray))
    columns.array = PyCapsule_New(array, "arrow_array", drop_capsule)
    columns.schema = schema
    return pa.record_batch(columns)


cdef class Decoder:
    """A `codec.Decoder`. Several threads may use one at a time: what a call writes to is its own."""

    cdef readonly object schema
    cdef object _program
    cdef Machine _machine
    cdef Pool* _pool
    cdef Op* _ops
    cdef Column* _layout
    cdef int32_t* _table
    cdef int64_t* _text_offsets
    cdef bytes _texts, _data
    cdef int _columns, _arrays

    def __cinit__(self, program, schema, limits):
        self._program, self.schema = program, schema
        self._pool = new_pool()
        self._ops = <Op*>calloc(len(program.ops) + 1, sizeof(Op))
        self._layout = <Column*>calloc(len(program.columns) + 1, sizeof(Column))
        self._table = <int32_t*>calloc(len(program.table) + 1, sizeof(int32_t))
        self._text_offsets = <int64_t*>calloc(len(program.texts) + 1, sizeof(int64_t))
        if not (self._pool and self._ops and self._layout and self._table and self._text_offsets):
            raise MemoryError
        self._load(program)
        self._machine = Machine(
            ops=self._ops,
            table=self._table,
            texts=self._texts,
            texts_end=<const uint8_t*>self._texts + len(self._texts) - 16,
            text_offsets=self._text_offsets,
            data=self._data,
            max_items=min(limits.max_items, MOST_ITEMS),
            max_empty_items=min(limits.max_empty_items, MOST_ITEMS),
            items=0,
            empty_items=0,
            at=0,
        )

    def __dealloc__(self):
        if self._pool != NULL:
            leave_pool(self._pool)
        free(self._ops)
        free(self._layout)
        free(self._table)
        free(self._text_offsets)

    cdef _load(self, program):
        for i, op in enumerate(program.ops):
            self._ops[i] = Op(_CODES[op.name], op.column * sizeof(Column), op.jump, op.size, op.low, op.high)
        for i, column in enumerate(program.columns):
            self._layout[i].layout = _LAYOUTS[column.layout]
            self._layout[i].width = column.width
            self._layout[i].child = i + 1
            self._layout[i].end = column.end
        for i, entry in enumerate(program.table):
            self._table[i] = entry
        for i, text in enumerate(program.texts):
            self._text_offsets[i + 1] = self._text_offsets[i] + len(text)
        self._texts = b"".join(program.texts) + bytes(16)
        self._data = program.data + bytes(16)
        self._columns, self._arrays = len(program.columns), program.arrays

    def decode(self, values, starts, ends):
        """Decode n data, values[starts[i]:ends[i]] each; see `codec.Decoder`.

        Raises ValueError for places outside of values, OverflowError when a column of the call passes
        2 GiB of text or 2^31 items: fewer messages a call cure that.
        """
        cdef const int64_t[::1] first = np.ascontiguousarray(starts, np.int64)
        cdef const int64_t[::1] last = np.ascontiguousarray(ends, np.int64)
        cdef int64_t n = first.shape[0]
        cdef int64_t[::1] rows = np.empty(n, np.int64)
        cdef int64_t accepted = 0
        cdef Rejections found = Rejections(NULL, 0, 0)
        cdef Machine machine = self._machine
        cdef Py_buffer view
        cdef ColumnSet* s
        cdef int fault = Fault.MEMORY
        if last.shape[0] != n:
            raise ValueError(f"{n} starts, {last.shape[0]} ends")
        PyObject_GetBuffer(values, &view, PyBUF_SIMPLE)
        try:
            with nogil:
                s = take_set(self._pool, self._layout, self._columns, self._arrays)
                if s != NULL:
                    fault = run_all(
                        &machine, s, <const uint8_t*>view.buf if view.len > 0 else machine.data, view.len,
                        &first[0] if n > 0 else NULL, &last[0] if n > 0 else NULL, n,
                        &rows[0] if n > 0 else NULL, &accepted, &found,
                    )
                    if fault != Fault.OK:
                        give_back(s)
            if fault != Fault.OK:
                raise self._failure(fault, machine.at)
            batch = to_arrow(s, accepted, self.schema)
            return codec.Decoded(batch, np.asarray(rows)[:accepted], self._rejected(&found))
        finally:
            free(found.items)
            PyBuffer_Release(&view)

    cdef list _rejected(self, Rejections* found):
        cdef int64_t i
        return [self._verdict(found.items[i].row, found.items[i].fault, found.items[i].at) for i in range(found.count)]

    cdef object _verdict(self, int64_t row, int fault, int at):
        op = self._program.ops[at]
        reason, detail = (op.reason, op.detail) if fault == Fault.REFUSED else _VERDICTS[fault]
        return codec.Rejected(row, reason, f"field {op.field}: {detail}" if op.field else detail)

    cdef object _failure(self, int fault, int at):
        if fault == Fault.MEMORY:
            return MemoryError("no memory for the columns of a batch")
        if fault == Fault.BOUNDS:
            return ValueError("a message that is not inside of values")
        field = self._program.ops[at].field
        return OverflowError(f"field {field} of a batch passes 2 GiB or 2^31 items; decode fewer messages a call")

# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The native encoder: binds the buffers of a record batch to a program and runs it over all rows."""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, strcmp, strncmp

from stream.avro.native_arrow cimport ArrowArray, ArrowSchema
from stream.avro.native_columns cimport Layout
from stream.avro.native_encode_pass cimport Frame, Input, Machine, Op, Output, hash_text, make_room, run
from stream.avro.native_rejections cimport Rejections, reject
from stream.avro.native_wire cimport Fault

import numpy as np

from stream.avro import codec

cdef enum:
    KEEP = 2
    KEEP_BYTES = 64 << 20

cdef struct Shape:
    int layout
    int width

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
    Fault.NULL_VALUE: (codec.NULL_FIELD, "a null where the schema takes none"),
    Fault.SYMBOL: (codec.OUT_OF_RANGE, "a text that is no symbol of the enum"),
    Fault.DIGITS: (codec.OUT_OF_RANGE, "a decimal of more digits than its precision"),
    Fault.UUID: (codec.OUT_OF_RANGE, "a text that is no UUID"),
    Fault.UTF8: (codec.INVALID_UTF8, "text that is not UTF-8"),
}


cdef bint same_type(const ArrowSchema* a, const ArrowSchema* b, bint in_map) noexcept:
    """Whether two columns have the same buffers: nullability, time zones and names in a map do not count."""
    cdef int64_t i
    if a.dictionary != NULL or b.dictionary != NULL or a.n_children != b.n_children:
        return False
    if strcmp(a.format, b.format) != 0 and (strncmp(a.format, "ts", 2) != 0 or strncmp(a.format, b.format, 4) != 0):
        return False
    for i in range(a.n_children):
        if strcmp(a.format, "+s") == 0 and not in_map and strcmp(a.children[i].name, b.children[i].name) != 0:
            return False
        if not same_type(a.children[i], b.children[i], strcmp(a.format, "+m") == 0):
            return False
    return True


cdef int bind(Input* inputs, const Shape* shapes, int at, const ArrowArray* array, int64_t shift) noexcept nogil:
    """The buffers of an array and of those inside of it, to the inputs from `at` on; shift is its row 0."""
    cdef Input* c = &inputs[at]
    cdef int64_t i
    cdef int layout = shapes[at].layout
    cdef int inner = at + 1
    shift += array.offset
    c.valid = <const uint8_t*>array.buffers[0] if layout != Layout.NULLS and array.null_count != 0 else NULL
    c.shift = shift
    c.data = NULL
    c.offsets = NULL
    if layout == Layout.BITS:
        c.data = <const uint8_t*>array.buffers[1]
    elif layout == Layout.FIXED or layout == Layout.WIDE:
        c.data = <const uint8_t*>array.buffers[1] + shift * shapes[at].width
    elif layout == Layout.TEXT or layout == Layout.LIST:
        c.offsets = <const int32_t*>array.buffers[1] + shift
        c.data = <const uint8_t*>array.buffers[2] if layout == Layout.TEXT else NULL
    for i in range(array.n_children):
        inner = bind(inputs, shapes, inner, array.children[i], shift if layout == Layout.STRUCT else 0)
    return inner


cdef int run_all(
    Machine* m, Output* out, const uint8_t* prefix, int64_t prefix_size, int64_t n,
    int64_t* rows, int64_t* offsets, int64_t* accepted, Rejections* found,
) noexcept nogil:
    """All rows; what is returned beside OK is no row's fault."""
    cdef int64_t row
    cdef int64_t taken = 0
    cdef int fault
    offsets[0] = 0
    for row in range(n):
        if not make_room(out, prefix_size + 1):
            return Fault.MEMORY
        memcpy(out.p, prefix, prefix_size)
        out.p += prefix_size
        fault = run(m, row, out)
        if fault == Fault.OK:
            rows[taken] = row
            taken += 1
            offsets[taken] = out.p - out.data
            continue
        out.p -= prefix_size
        if fault == Fault.MEMORY or not reject(found, row, fault, m.at):
            return Fault.MEMORY
    accepted[0] = taken
    return Fault.OK


@cython.no_gc
cdef class _Bytes:
    """Encoded rows; the memory goes back to the encoder when the last view of it is gone."""

    cdef uint8_t* data
    cdef int64_t size
    cdef int64_t room
    cdef Encoder encoder

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.data, self.size, 1, flags)

    def __dealloc__(self):
        if self.encoder is not None:
            self.encoder.keep(self.data, self.room)


cdef class Encoder:
    """A `codec.Encoder`. Several threads may use one at a time: what a call writes to is its own."""

    cdef readonly object schema
    cdef object _program, _shape
    cdef Op* _ops
    cdef Shape* _shapes
    cdef int32_t* _table
    cdef int64_t* _text_offsets
    cdef bytes _texts
    cdef uint8_t* _spare[KEEP]
    cdef int64_t _spare_room[KEEP]
    cdef int _columns, _arrays
    cdef int64_t _width

    def __cinit__(self, program, schema):
        self._program, self.schema = program, schema
        self._arrays, self._width = program.arrays, program.width
        self._shape = schema.__arrow_c_schema__()
        self._columns = len(program.columns)
        self._texts = b"".join(program.texts)
        self._ops = <Op*>calloc(len(program.ops) + 1, sizeof(Op))
        self._shapes = <Shape*>calloc(self._columns + 1, sizeof(Shape))
        self._table = <int32_t*>calloc(4 * len(program.texts) + 1, sizeof(int32_t))
        self._text_offsets = <int64_t*>calloc(len(program.texts) + 1, sizeof(int64_t))
        if not (self._ops and self._shapes and self._table and self._text_offsets):
            raise MemoryError
        for i, text in enumerate(program.texts):
            self._text_offsets[i + 1] = self._text_offsets[i] + len(text)
        for i, column in enumerate(program.columns):
            self._shapes[i] = Shape(_LAYOUTS[column.layout], column.width)
        self._load(program.ops)

    cdef _load(self, ops):
        cdef int used = 0
        for i, op in enumerate(ops):
            self._ops[i] = Op(_CODES[op.name], op.column * sizeof(Input), op.jump, op.size, op.low, op.high)
            if op.name == "ENUM":
                used = self._hash_symbols(&self._ops[i], used)

    cdef int _hash_symbols(self, Op* op, int used) noexcept:
        """A hash table at most half full, from entry `used` on; the number of entries used comes back."""
        cdef int64_t slots = 2
        cdef int64_t i, at
        cdef const int64_t* place
        while slots < 2 * op.size:
            slots *= 2
        op.jump, op.high = used, slots - 1
        for i in range(slots):
            self._table[used + i] = -1
        for i in range(op.size):
            place = self._text_offsets + op.low + i
            at = <int64_t>(hash_text(<const uint8_t*>self._texts + place[0], place[1] - place[0]) & <uint64_t>op.high)
            while self._table[used + at] >= 0:
                at = (at + 1) & op.high
            self._table[used + at] = <int32_t>i
        return used + <int>slots

    def __dealloc__(self):
        for i in range(KEEP):
            free(self._spare[i])
        free(self._ops)
        free(self._shapes)
        free(self._table)
        free(self._text_offsets)

    cdef void keep(self, uint8_t* data, int64_t room) noexcept:
        """Memory for a later call: what was used before costs no page faults."""
        cdef int i
        for i in range(KEEP):
            if self._spare[i] == NULL and room <= KEEP_BYTES:
                self._spare[i], self._spare_room[i] = data, room
                return
        free(data)

    cdef Output _take(self) noexcept:
        cdef Output out = Output(NULL, NULL, NULL)
        cdef int i
        for i in range(KEEP):
            if self._spare[i] != NULL:
                out = Output(self._spare[i], self._spare[i], self._spare[i] + self._spare_room[i])
                self._spare[i] = NULL
                break
        return out

    def encode(self, columns, prefix):
        """Encode each row of a batch after the bytes `prefix`; see `codec.Encoder`.

        Raises TypeError for columns that do not have the Arrow types of the schema's fields.
        """
        cdef int64_t n = columns.num_rows
        cdef bytes head = bytes(prefix)
        cdef int64_t[::1] rows = np.empty(n, np.int64)
        cdef int64_t[::1] offsets = np.empty(n + 1, np.int64)
        cdef int64_t accepted = 0
        cdef Rejections found = Rejections(NULL, 0, 0)
        cdef const uint8_t* prefix_ = head
        cdef int64_t prefix_size = len(head)
        cdef Output out
        cdef Machine machine
        cdef int fault
        shape, array = columns.__arrow_c_array__()
        self._check(shape, columns)
        self._bind(&machine, <const ArrowArray*>PyCapsule_GetPointer(array, "arrow_array"))
        out = self._take()
        try:
            with nogil:
                fault = run_all(
                    &machine, &out, prefix_, prefix_size, n,
                    &rows[0] if n > 0 else NULL, &offsets[0], &accepted, &found,
                )
            values = self._give(&out)
            if fault != Fault.OK:
                raise MemoryError("no memory for the values of a batch")
            rejected = [self._verdict(found.items[i].row, found.items[i].fault, found.items[i].at)
                        for i in range(found.count)]
            return codec.Encoded(values, np.asarray(offsets)[:accepted + 1], np.asarray(rows)[:accepted], rejected)
        finally:
            free(found.items)
            free(machine.memory)

    cdef _check(self, object shape, object columns):
        cdef const ArrowSchema* given = <const ArrowSchema*>PyCapsule_GetPointer(shape, "arrow_schema")
        cdef const ArrowSchema* wanted = <const ArrowSchema*>PyCapsule_GetPointer(self._shape, "arrow_schema")
        cdef int64_t i
        if given.n_children != wanted.n_children:
            raise TypeError(f"{given.n_children} columns, but the schema has {wanted.n_children} fields")
        for i in range(wanted.n_children):
            if not same_type(given.children[i], wanted.children[i], False):
                field = self.schema.field(i)
                raise TypeError(f"field {field.name} takes {field.type}, its column is {columns.schema.field(i).type}")

    cdef _bind(self, Machine* m, const ArrowArray* batch):
        cdef int64_t i
        cdef int at = 0
        cdef size_t size = (self._columns + 1) * sizeof(Input) + (self._arrays + 1) * sizeof(Frame)
        m.memory = calloc(1, size)
        if m.memory == NULL:
            raise MemoryError
        m.ops, m.table, m.texts, m.text_offsets = self._ops, self._table, self._texts, self._text_offsets
        m.inputs = <const Input*>m.memory
        m.frames = <Frame*>(<uint8_t*>m.memory + (self._columns + 1) * sizeof(Input))
        m.width = self._width
        for i in range(batch.n_children):
            at = bind(<Input*>m.memory, self._shapes, at, batch.children[i], batch.offset)

    cdef object _give(self, Output* out):
        """What was written as a read-only memoryview, which owns the memory from now on."""
        cdef _Bytes owner = _Bytes.__new__(_Bytes)
        owner.data, owner.size, owner.room = out.data, out.p - out.data, out.end - out.data
        owner.encoder = self
        return memoryview(owner)

    cdef object _verdict(self, int64_t row, int fault, int at):
        reason, detail = _VERDICTS[fault]
        return codec.Rejected(row, reason, f"field {self._program.ops[at].field}: {detail}")

# cython: language_level=3
"""A set of columns as one Arrow batch of the C data interface, and the pool that a set comes back to.

Arrow gives a set back when its last array is gone, on any thread and without the GIL, so a pool has its own
lock and its own count. Memory that was used before costs no page faults: decoding into fresh memory takes
twice as long. At most KEEP sets of at most KEEP_BYTES each wait in a pool.
"""

from cpython.pythread cimport (
    WAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_release_lock,
    PyThread_type_lock,
)
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free

from stream.avro.native_arrow cimport ArrowArray
from stream.avro.native_columns cimport Column, Layout, clear, data_bytes

cdef extern from "pythread.h" nogil:
    void PyThread_free_lock(PyThread_type_lock lock)

cdef enum:
    KEEP = 2
    KEEP_BYTES = 64 << 20

cdef struct Pool:
    PyThread_type_lock lock
    ColumnSet* waiting
    int waits
    int owners          # the decoder, and the sets that are out

cdef struct ColumnSet:
    Pool* pool
    ColumnSet* next
    int users           # arrays that were handed out and are not released
    int count
    Column* columns
    int64_t* left       # items left in each open array; scratch of the pass
    ArrowArray* nodes   # the batch, then one a column
    ArrowArray** links  # children of all nodes
    const void** buffers  # three a node


cdef inline Pool* new_pool() noexcept:
    cdef Pool* pool = <Pool*>calloc(1, sizeof(Pool))
    if pool != NULL:
        pool.owners = 1
        pool.lock = PyThread_allocate_lock()
        if pool.lock == NULL:
            free(pool)
            return NULL
    return pool


cdef inline ColumnSet* new_set(const Column* layout, int count, int arrays) noexcept nogil:
    """An empty set of columns like those of layout; NULL when there is no memory."""
    cdef ColumnSet* s = <ColumnSet*>calloc(1, sizeof(ColumnSet))
    cdef int i
    if s == NULL:
        return NULL
    s.count = count
    s.columns = <Column*>calloc(count + 1, sizeof(Column))
    s.left = <int64_t*>calloc(arrays + 1, sizeof(int64_t))
    s.nodes = <ArrowArray*>calloc(count + 1, sizeof(ArrowArray))
    s.links = <ArrowArray**>calloc(count + 1, sizeof(ArrowArray*))
    s.buffers = <const void**>calloc(3 * (count + 1), sizeof(void*))
    if s.columns == NULL or s.left == NULL or s.nodes == NULL or s.links == NULL or s.buffers == NULL:
        free_set(s)
        return NULL
    for i in range(count):
        s.columns[i].layout = layout[i].layout
        s.columns[i].width = layout[i].width
        s.columns[i].child = layout[i].child
        s.columns[i].end = layout[i].end
    return s


cdef inline void free_set(ColumnSet* s) noexcept nogil:
    cdef int i
    if s.columns != NULL:
        for i in range(s.count):
            free(s.columns[i].valid)
            free(s.columns[i].data)
            free(s.columns[i].bytes)
    free(s.columns)
    free(s.left)
    free(s.nodes)
    free(s.links)
    free(s.buffers)
    free(s)


cdef inline int64_t set_bytes(const ColumnSet* s) noexcept nogil:
    """What the buffers of a set take."""
    cdef int64_t total = 0
    cdef int i
    for i in range(s.count):
        total += data_bytes(&s.columns[i], s.columns[i].rows) + s.columns[i].room + (s.columns[i].bitmap >> 3)
    return total


cdef inline ColumnSet* take_set(Pool* pool, const Column* layout, int count, int arrays) noexcept nogil:
    """A set that nobody uses, with no rows."""
    cdef ColumnSet* s
    cdef int i
    PyThread_acquire_lock(pool.lock, WAIT_LOCK)
    s = pool.waiting
    if s != NULL:
        pool.waiting = s.next
        pool.waits -= 1
    pool.owners += 1
    PyThread_release_lock(pool.lock)
    if s == NULL:
        s = new_set(layout, count, arrays)
        if s == NULL:
            leave_pool(pool)
            return NULL
    s.pool = pool
    for i in range(count):
        if not clear(&s.columns[i]):
            give_back(s)
            return NULL
    return s


cdef inline void give_back(ColumnSet* s) noexcept nogil:
    cdef Pool* pool = s.pool
    cdef bint keep = set_bytes(s) <= KEEP_BYTES
    PyThread_acquire_lock(pool.lock, WAIT_LOCK)
    keep = keep and pool.waits < KEEP
    if keep:
        s.next = pool.waiting
        pool.waiting = s
        pool.waits += 1
    PyThread_release_lock(pool.lock)
    if not keep:
        free_set(s)
    leave_pool(pool)


cdef inline void leave_pool(Pool* pool) noexcept nogil:
    """One owner less; the last one frees the pool and what waits in it."""
    cdef int owners
    cdef ColumnSet* s
    PyThread_acquire_lock(pool.lock, WAIT_LOCK)
    pool.owners -= 1
    owners = pool.owners
    PyThread_release_lock(pool.lock)
    if owners > 0:
        return
    while pool.waiting != NULL:
        s = pool.waiting
        pool.waiting = s.next
        free_set(s)
    PyThread_free_lock(pool.lock)
    free(pool)


cdef inline void release_node(ArrowArray* array) noexcept nogil:
    """ArrowArray.release: each array, the batch and every child, is one user of the set."""
    cdef ColumnSet* s = <ColumnSet*>array.private_data
    cdef int64_t i
    cdef int users
    for i in range(array.n_children):
        if array.children[i].release != NULL:
            array.children[i].release(array.children[i])
    array.release = NULL
    PyThread_acquire_lock(s.pool.lock, WAIT_LOCK)
    s.users -= 1
    users = s.users
    PyThread_release_lock(s.pool.lock)
    if users == 0:
        give_back(s)


cdef inline void set_node(ColumnSet* s, int index, Column* c, int64_t length) noexcept nogil:
    """One array over the buffers of a column; the batch itself has none."""
    cdef ArrowArray* node = &s.nodes[index]
    cdef const void** buffers = s.buffers + 3 * index
    node.length = length
    node.offset = 0
    node.null_count = 0
    node.buffers = buffers
    node.dictionary = NULL
    node.release = release_node
    node.private_data = s
    node.n_buffers = 1
    buffers[0] = NULL
    if c == NULL:
        return
    if c.nulls > 0:
        node.null_count = -1
        buffers[0] = c.valid
    if c.layout == Layout.NULLS:
        node.n_buffers = 0
        node.null_count = length
    elif c.layout == Layout.WIDE:
        node.n_buffers = 2
        buffers[1] = c.bytes
    elif c.layout != Layout.STRUCT:
        node.n_buffers = 3 if c.layout == Layout.TEXT else 2
        buffers[1] = c.data
        buffers[2] = c.bytes


cdef inline int link_children(ColumnSet* s, int index, int first, int end, int used) noexcept nogil:
    """The columns from first to end as children of a node; `used` links are taken, the new count comes back."""
    cdef ArrowArray* node = &s.nodes[index]
    cdef int at = first
    node.children = s.links + used
    node.n_children = 0
    while at < end:
        s.links[used] = &s.nodes[at + 1]
        node.n_children += 1
        used += 1
        at = s.columns[at].end
    return used


cdef inline ArrowArray* export_set(ColumnSet* s, int64_t rows) noexcept nogil:
    """The whole set as a batch of `rows` rows; it comes back to the pool when all of it is released."""
    cdef int used = 0
    cdef int i
    set_node(s, 0, NULL, rows)
    used = link_children(s, 0, 0, s.count, used)
    for i in range(s.count):
        set_node(s, i + 1, &s.columns[i], s.columns[i].length)
        used = link_children(s, i + 1, s.columns[i].child, s.columns[i].end, used)
    s.users = s.count + 1
    return s.nodes

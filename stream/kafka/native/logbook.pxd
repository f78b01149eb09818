# cython: language_level=3
"""What a client's threads log, until a Python thread asks for it; and how many lines tell of trouble.

The library calls the log callback on its own threads, before it sends anything again. So a count of trouble
that is taken after a call has every line of it (the late-request guard, stream/kafka/guard.py).
"""

from cpython.pythread cimport (
    WAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_release_lock,
    PyThread_type_lock,
)
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, strstr

cdef extern from "pythread.h" nogil:
    void PyThread_free_lock(PyThread_type_lock lock)

cdef enum:
    LINE_BYTES = 512    # longer lines are cut
    MOST_LINES = 256    # that wait; older ones give way, and are counted
    MOST_SIGNS = 32
    SIGN_BYTES = 64

cdef struct Line:
    int level           # of syslog
    char text[LINE_BYTES]

cdef struct Logbook:
    PyThread_type_lock lock
    long trouble        # lines with one of the signs, ever
    long lost           # lines that gave way to newer ones and were not read
    int first
    int count
    void* owner         # the client object that callbacks are for; NULL when it wants none any more
    char name[128]      # of the client
    int finest          # syslog level above which lines are counted, but not kept
    int signs
    char sign[MOST_SIGNS][SIGN_BYTES]
    char last[LINE_BYTES]   # the last line of trouble
    Line lines[MOST_LINES]


cdef inline Logbook* new_logbook() noexcept:
    cdef Logbook* book = <Logbook*>calloc(1, sizeof(Logbook))
    if book != NULL:
        book.lock = PyThread_allocate_lock()
    return book


cdef inline void free_logbook(Logbook* book) noexcept:
    if book != NULL:
        PyThread_free_lock(book.lock)
        free(book)


cdef inline void write_line(Logbook* book, int level, const char* kind, const char* text) noexcept nogil:
    """Any thread, with or without the GIL."""
    cdef char whole[LINE_BYTES]
    cdef Line* line
    cdef int i
    snprintf(whole, LINE_BYTES, "%s [%s] %s", kind, book.name, text)
    PyThread_acquire_lock(book.lock, WAIT_LOCK)
    for i in range(book.signs):
        if strstr(whole, book.sign[i]) != NULL:
            book.trouble += 1
            memcpy(book.last, whole, LINE_BYTES)
            break
    if level <= book.finest:
        if book.count == MOST_LINES:
            book.first = (book.first + 1) % MOST_LINES
            book.count -= 1
            book.lost += 1
        line = &book.lines[(book.first + book.count) % MOST_LINES]
        book.count += 1
        line.level = level
        memcpy(line.text, whole, LINE_BYTES)
    PyThread_release_lock(book.lock)

# cython: language_level=3
"""One client of the library: made from properties, with its log, its errors and its callbacks.

The log callback runs on the library's threads and touches no Python object. The others run in calls that
serve the client (consume, poll, flush), in the thread that made the call; they take the GIL, and what they
raise is raised when the call has returned.
"""

cimport cython
from libc.stdio cimport snprintf
from libc.stdlib cimport malloc
from libc.string cimport memcpy, strcmp

from stream.kafka.native.library cimport Library, OpaqueFn
from stream.kafka.native.logbook cimport (
    MOST_SIGNS,
    SIGN_BYTES,
    WAIT_LOCK,
    Line,
    Logbook,
    PyThread_acquire_lock,
    PyThread_release_lock,
    free_logbook,
    new_logbook,
    write_line,
)
from stream.kafka.native.rdkafka cimport (
    CONSUMER,
    ERR_ASSIGN,
    ERR_FATAL,
    ERR_INVALID,
    EVENT_DELIVERY,
    NO_CLOSE,
    OK,
    PRODUCER,
    Conf,
    Error,
    Kafka,
    Place,
    Places,
)

import logging
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException

_LEVELS = (logging.CRITICAL,) * 3 + (logging.ERROR, logging.WARNING, logging.INFO, logging.INFO, logging.DEBUG)
"""Of Python's logging, by syslog level."""

cdef enum:
    DEBUG = 7       # of syslog

cdef const char* UNREAD_REPORT = "DRDROP"
"""A line for each message that failed: the commit fails with the first of them, and says so once."""

cdef OpaqueFn opaque_of = NULL
"""How the log callback finds the book to write to: it is given nothing but the client."""


class Position(NamedTuple):
    """As confluent_kafka.TopicPartition: an offset of a partition, the text with it, and what is wrong with it."""

    topic: str
    partition: int
    offset: int = -1001
    metadata: str = ""
    error: Any = None


cdef void on_log(const Kafka* kafka, int level, const char* kind, const char* text) noexcept nogil:
    cdef Logbook* book = <Logbook*>opaque_of(kafka)
    if book != NULL and strcmp(kind, UNREAD_REPORT) != 0:
        write_line(book, level, kind, text)


cdef void on_error(Kafka* kafka, int code, const char* text, void* opaque) noexcept with gil:
    if (<Logbook*>opaque).owner != NULL:
        (<Client>(<Logbook*>opaque).owner).told(code, text.decode(errors="replace") if text != NULL else "")


cdef int on_statistics(Kafka* kafka, char* text, size_t size, void* opaque) noexcept with gil:
    if (<Logbook*>opaque).owner != NULL:
        (<Client>(<Logbook*>opaque).owner).counted(text[:size].decode(errors="replace"))
    return 0


cdef void on_rebalance(Kafka* kafka, int code, Places* places, void* opaque) noexcept with gil:
    if (<Logbook*>opaque).owner != NULL:
        (<Client>(<Logbook*>opaque).owner).rebalanced(code, places)


@cython.no_gc_clear
cdef class Client:
    """A consumer or a producer. signs: texts in a log line that tell of trouble.

    on_error is called with a KafkaError; on_statistics, if not None, with a text in JSON; on_rebalance, for a
    consumer, with "assign", "revoke" or "lost" and the partitions, before they change hands. Raises KafkaException when the properties are refused.
    """

    def __cinit__(self, Library library, bint consumer, properties, signs, log, on_error, on_statistics, on_rebalance):
        global opaque_of
        self.library, self._log = library, log
        self._on_error, self._on_statistics, self._on_rebalance = on_error, on_statistics, on_rebalance
        self._raised = None
        self.book = new_logbook()
        if self.book == NULL:
            raise MemoryError
        opaque_of = library.api.opaque
        assert len(signs) <= MOST_SIGNS, "all signs are watched for"
        for i, sign in enumerate(signs):
            text = sign.encode()
            snprintf(self.book.sign[i], SIGN_BYTES, "%s", <const char*>text)
        self.book.signs = len(signs)
        self.book.finest = DEBUG if log.isEnabledFor(logging.DEBUG) else DEBUG - 1
        self.book.owner = <void*>self
        self._open(consumer, properties)

    def __dealloc__(self):
        self._close()
        free_logbook(self.book)

    @property
    def name(self):
        return self.book.name.decode()

    @property
    def trouble(self):
        """How many lines of the log told of trouble."""
        PyThread_acquire_lock(self.book.lock, WAIT_LOCK)
        lines = self.book.trouble
        PyThread_release_lock(self.book.lock)
        return lines

    @property
    def last_trouble(self):
        PyThread_acquire_lock(self.book.lock, WAIT_LOCK)
        text = <bytes>self.book.last
        PyThread_release_lock(self.book.lock)
        return text.decode(errors="replace")

    def write_log(self):
        """Hand the lines that wait to the logger."""
        cdef Line line
        cdef long lost
        while True:
            PyThread_acquire_lock(self.book.lock, WAIT_LOCK)
            lost, self.book.lost = self.book.lost, 0
            found = self.book.count > 0
            if found:
                line = self.book.lines[self.book.first]
                self.book.first = (self.book.first + 1) % (sizeof(self.book.lines) // sizeof(Line))
                self.book.count -= 1
            PyThread_release_lock(self.book.lock)
            if lost:
                self._log.warning("%d lines of the client's log were lost", lost)
            if not found:
                return
            self._log.log(_LEVELS[min(max(line.level, 0), 7)], "%s", (<bytes>line.text).decode(errors="replace"))

    cdef _open(self, bint consumer, properties):
        cdef char text[512]
        cdef Conf* conf = self.library.api.conf_new()
        for key, value in properties.items():
            value = ("true" if value else "false") if isinstance(value, bool) else str(value)
            if self.library.api.conf_set(conf, key.encode(), value.encode(), text, sizeof(text)) != OK:
                self.library.api.conf_destroy(conf)
                raise KafkaException(KafkaError(ERR_INVALID, text.decode(errors="replace")))
        self.library.api.conf_set_opaque(conf, self.book)
        self.library.api.conf_set_log_cb(conf, on_log)
        self.library.api.conf_set_error_cb(conf, on_error)
        if self._on_statistics is not None:
            self.library.api.conf_set_stats_cb(conf, on_statistics)
        if consumer:
            self.library.api.conf_set_rebalance_cb(conf, on_rebalance)
        else:
            # delivery reports as events, of failures alone: nobody reads them, but with them flush() waits for the last
            # acknowledgement itself, where without it looks every 10 ms whether it has come
            self.library.api.conf_set_events(conf, EVENT_DELIVERY)
            self.library.api.conf_set(conf, "delivery.report.only.error", "true", text, sizeof(text))
        with nogil:
            self.kafka = self.library.api.new(CONSUMER if consumer else PRODUCER, conf, text, sizeof(text))
        if self.kafka == NULL:
            self.library.api.conf_destroy(conf)
            raise KafkaException(KafkaError(ERR_INVALID, text.decode(errors="replace")))
        PyThread_acquire_lock(self.book.lock, WAIT_LOCK)
        snprintf(self.book.name, sizeof(self.book.name), "%s", self.library.api.name(self.kafka))
        PyThread_release_lock(self.book.lock)

    cdef void _close(self) noexcept:
        """No callback reaches Python from here on: the object may be half gone."""
        cdef Kafka* kafka = self.kafka
        if kafka == NULL:
            return
        self.book.owner = NULL
        self.kafka = NULL
        with nogil:
            self.library.api.destroy_flags(kafka, NO_CLOSE)

    cdef told(self, int code, str text):
        """An error that belongs to no call. A fatal one stands for another, which the client knows."""
        cdef char cause[512]
        try:
            fatal = code == ERR_FATAL
            if fatal:
                code = self.library.api.fatal_error(self.kafka, cause, sizeof(cause))
                text = cause.decode(errors="replace")
            self._on_error(KafkaError(code, text, fatal))
        except BaseException as error:
            self.raised(error)

    cdef counted(self, str text):
        try:
            self._on_statistics(text)
        except BaseException as error:
            self.raised(error)

    cdef void raised(self, object error):
        """Kept until the call has returned that the callback ran in: the first of several."""
        if self._raised is None:
            self._raised = error

    cdef rebalanced(self, int code, Places* places):
        """Tell of it, then let it happen, in the way of the group's protocol."""
        cdef Error* error = NULL
        cdef bint cooperative = self.library.api.rebalance_protocol(self.kafka) == b"COOPERATIVE"
        cdef bint assign = code == ERR_ASSIGN
        try:
            what = "assign" if assign else "lost" if self.library.api.assignment_lost(self.kafka) else "revoke"
            self._on_rebalance(what, places_in(places))
        except BaseException as failure:
            self.raised(failure)
        with nogil:
            if cooperative and assign:
                error = self.library.api.incremental_assign(self.kafka, places)
            elif cooperative:
                error = self.library.api.incremental_unassign(self.kafka, places)
            else:
                self.library.api.assign(self.kafka, places if assign else NULL)
        try:
            self.check(error)
        except KafkaException as failure:
            self.raised(failure)

    cdef served(self):
        """After each call in which callbacks may have run. Raises what they raised."""
        if self.book.count:
            self.write_log()
        if self._raised is not None:
            error, self._raised = self._raised, None
            raise error

    cdef check(self, Error* error):
        """Raises KafkaException for an error object, which is freed."""
        if error == NULL:
            return
        code = self.library.api.error_code(error)
        text = self.library.api.error_string(error).decode(errors="replace")
        fatal = bool(self.library.api.error_is_fatal(error))
        retriable = bool(self.library.api.error_is_retriable(error))
        abort = bool(self.library.api.error_txn_requires_abort(error))
        self.library.api.error_destroy(error)
        raise KafkaException(KafkaError(code, text, fatal, retriable, abort))

    cdef check_code(self, int code):
        if code != OK:
            raise KafkaException(KafkaError(code))


@cython.no_gc     # it can be in no cycle, and needs its library to the end
cdef class PlaceList:
    """A list of partitions, freed with the object."""

    def __dealloc__(self):
        if self.places != NULL:
            self.library.api.topic_partition_list_destroy(self.places)


cdef PlaceList place_list(Library library, partitions):
    """Of objects with topic, partition, offset and metadata (None or a text), as confluent_kafka.TopicPartition."""
    cdef PlaceList made = PlaceList.__new__(PlaceList)
    cdef Place* place
    made.library = library
    made.places = library.api.topic_partition_list_new(len(partitions))
    for p in partitions:
        place = library.api.topic_partition_list_add(made.places, p.topic.encode(), p.partition)
        place.offset = p.offset
        text = (p.metadata or "").encode()
        if text:
            place.text = malloc(len(text))
            if place.text == NULL:
                raise MemoryError
            memcpy(place.text, <const char*>text, len(text))
            place.text_size = len(text)
    return made


cdef list places_in(Places* places):
    """The list as Position objects."""
    cdef Place* place
    found = []
    for i in range(places.count if places != NULL else 0):
        place = &places.items[i]
        text = (<char*>place.text)[:place.text_size].decode(errors="replace") if place.text != NULL else ""
        error = KafkaError(place.err) if place.err != OK else None
        found.append(Position(place.topic.decode(), place.partition, place.offset, text, error))
    return found


cdef int milliseconds(seconds) except? -1:
    """None and negative: for ever."""
    return -1 if seconds is None or seconds < 0 else int(seconds * 1000)

# cython: language_level=3
"""The part of librdkafka's public C API that is used here, as a table of functions found at run time.

Declared after the documentation of rdkafka.h, so that no header is needed to build. Only exported functions
and the public structures: messages, lists of partitions, arguments of produceva. `library.pyx` compares
their layouts with what the loaded library really does.
"""

from libc.stdint cimport int32_t, int64_t

ctypedef void Kafka               # a client
ctypedef void Conf
ctypedef void Queue
ctypedef void Topic
ctypedef void Headers
ctypedef void Error
ctypedef void Event
ctypedef void Metadata            # of a member of a consumer group

ctypedef struct Message:
    int err
    Topic* topic
    int32_t partition
    void* payload                 # the text of the error when err is not 0
    size_t size
    void* key
    size_t key_size
    int64_t offset
    void* opaque

ctypedef struct Place:
    char* topic
    int32_t partition
    int64_t offset
    void* text                    # "metadata" of a committed offset, freed with the list by free()
    size_t text_size
    void* opaque
    int err
    void* own

ctypedef struct Places:
    int count
    int room
    Place* items

ctypedef struct Bytes:
    const void* data
    size_t size

ctypedef struct Header:
    const char* name
    const void* data
    Py_ssize_t size

ctypedef union Value:
    Topic* topic
    int i
    int32_t i32
    int64_t i64
    Bytes bytes
    Header header
    void* opaque
    char padding[64]

ctypedef struct Argument:
    int kind
    Value value

cdef enum:
    PRODUCER = 0
    CONSUMER = 1

cdef enum:                        # kinds of arguments
    ARG_TOPIC = 2
    ARG_PARTITION = 3
    ARG_VALUE = 4
    ARG_KEY = 5
    ARG_OPAQUE = 6
    ARG_FLAGS = 7
    ARG_TIMESTAMP = 8
    ARG_HEADER = 9

cdef enum:
    COPY = 2                      # flag of a message: the value is copied
    NO_CLOSE = 8                  # flag of destroy: the consumer is closed already, or need not be
    PURGE_ALL = 3                 # what is queued and what is under way
    EVENT_DELIVERY = 1

cdef enum:                        # errors
    OK = 0
    ERR_ASSIGN = -175
    ERR_REVOKE = -174
    ERR_TIMED_OUT = -185
    ERR_QUEUE_FULL = -184
    ERR_INVALID = -186
    ERR_FATAL = -150
    ERR_PURGED = -152

ctypedef void (*LogFn)(const Kafka*, int, const char*, const char*) noexcept nogil
ctypedef void (*ErrorFn)(Kafka*, int, const char*, void*) noexcept nogil
ctypedef int (*StatisticsFn)(Kafka*, char*, size_t, void*) noexcept nogil
ctypedef void (*RebalanceFn)(Kafka*, int, Places*, void*) noexcept nogil

ctypedef struct Api:
    # the order is that of NAMES in library.pyx
    int (*version)() noexcept nogil
    const char* (*err2str)(int) noexcept nogil
    const char* (*err2name)(int) noexcept nogil
    int (*error_code)(const Error*) noexcept nogil
    const char* (*error_string)(const Error*) noexcept nogil
    int (*error_is_fatal)(const Error*) noexcept nogil
    int (*error_is_retriable)(const Error*) noexcept nogil
    int (*error_txn_requires_abort)(const Error*) noexcept nogil
    void (*error_destroy)(Error*) noexcept nogil
    int (*fatal_error)(Kafka*, char*, size_t) noexcept nogil
    Conf* (*conf_new)() noexcept nogil
    int (*conf_set)(Conf*, const char*, const char*, char*, size_t) noexcept nogil
    void (*conf_destroy)(Conf*) noexcept nogil
    void (*conf_set_opaque)(Conf*, void*) noexcept nogil
    void (*conf_set_log_cb)(Conf*, LogFn) noexcept nogil
    void (*conf_set_error_cb)(Conf*, ErrorFn) noexcept nogil
    void (*conf_set_rebalance_cb)(Conf*, RebalanceFn) noexcept nogil
    void (*conf_set_stats_cb)(Conf*, StatisticsFn) noexcept nogil
    void (*conf_set_events)(Conf*, int) noexcept nogil
    Kafka* (*new)(int, Conf*, char*, size_t) noexcept nogil
    void* (*opaque)(const Kafka*) noexcept nogil
    const char* (*name)(const Kafka*) noexcept nogil
    int (*poll)(Kafka*, int) noexcept nogil
    void (*destroy_flags)(Kafka*, int) noexcept nogil
    Places* (*topic_partition_list_new)(int) noexcept nogil
    Place* (*topic_partition_list_add)(Places*, const char*, int32_t) noexcept nogil
    int (*topic_partition_list_set_offset)(Places*, const char*, int32_t, int64_t) noexcept nogil
    void (*topic_partition_list_destroy)(Places*) noexcept nogil
    int (*poll_set_consumer)(Kafka*) noexcept nogil
    Queue* (*queue_get_consumer)(Kafka*) noexcept nogil
    Queue* (*queue_get_main)(Kafka*) noexcept nogil
    void (*queue_destroy)(Queue*) noexcept nogil
    Event* (*queue_poll)(Queue*, int) noexcept nogil
    const Message* (*event_message_next)(Event*) noexcept nogil
    void (*event_destroy)(Event*) noexcept nogil
    Py_ssize_t (*consume_batch_queue)(Queue*, int, Message**, size_t) noexcept nogil
    void (*message_destroy)(Message*) noexcept nogil
    int64_t (*message_timestamp)(const Message*, int*) noexcept nogil
    int (*message_headers)(const Message*, Headers**) noexcept nogil
    int (*header_get_all)(const Headers*, size_t, const char**, const void**, size_t*) noexcept nogil
    int (*subscribe)(Kafka*, const Places*) noexcept nogil
    int (*unsubscribe)(Kafka*) noexcept nogil
    int (*assign)(Kafka*, const Places*) noexcept nogil
    Error* (*incremental_assign)(Kafka*, const Places*) noexcept nogil
    Error* (*incremental_unassign)(Kafka*, const Places*) noexcept nogil
    int (*assignment_lost)(Kafka*) noexcept nogil
    const char* (*rebalance_protocol)(Kafka*) noexcept nogil
    Error* (*seek_partitions)(Kafka*, Places*, int) noexcept nogil
    int (*pause_partitions)(Kafka*, Places*) noexcept nogil
    int (*resume_partitions)(Kafka*, Places*) noexcept nogil
    int (*committed)(Kafka*, Places*, int) noexcept nogil
    int (*query_watermark_offsets)(Kafka*, const char*, int32_t, int64_t*, int64_t*, int) noexcept nogil
    int (*get_watermark_offsets)(Kafka*, const char*, int32_t, int64_t*, int64_t*) noexcept nogil
    int (*offsets_for_times)(Kafka*, Places*, int) noexcept nogil
    Metadata* (*consumer_group_metadata)(Kafka*) noexcept nogil
    void (*consumer_group_metadata_destroy)(Metadata*) noexcept nogil
    int (*consumer_close)(Kafka*) noexcept nogil
    Topic* (*topic_new)(Kafka*, const char*, void*) noexcept nogil
    const char* (*topic_name)(const Topic*) noexcept nogil
    void (*topic_destroy)(Topic*) noexcept nogil
    Error* (*init_transactions)(Kafka*, int) noexcept nogil
    Error* (*begin_transaction)(Kafka*) noexcept nogil
    Error* (*send_offsets_to_transaction)(Kafka*, const Places*, const Metadata*, int) noexcept nogil
    Error* (*commit_transaction)(Kafka*, int) noexcept nogil
    Error* (*abort_transaction)(Kafka*, int) noexcept nogil
    Error* (*produceva)(Kafka*, const Argument*, size_t) noexcept nogil
    int (*flush)(Kafka*, int) noexcept nogil
    int (*purge)(Kafka*, int) noexcept nogil
    int (*outq_len)(Kafka*) noexcept nogil

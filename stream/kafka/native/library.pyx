# cython: language_level=3
"""A loaded librdkafka: its functions by name, and whether its structures are laid out as declared here."""

from libc.stdint cimport int64_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memset, strcmp
from posix.dlfcn cimport RTLD_LOCAL, RTLD_NOW, dlerror, dlopen, dlsym

from stream.kafka.native.rdkafka cimport (
    ARG_FLAGS,
    ARG_HEADER,
    ARG_KEY,
    ARG_OPAQUE,
    ARG_PARTITION,
    ARG_TIMESTAMP,
    ARG_TOPIC,
    ARG_VALUE,
    COPY,
    ERR_PURGED,
    EVENT_DELIVERY,
    OK,
    PRODUCER,
    PURGE_ALL,
    Api,
    Argument,
    Bytes,
    Conf,
    Error,
    Event,
    Header,
    Headers,
    Kafka,
    Message,
    Places,
    Queue,
    Topic,
)

from stream.kafka.native.finding import UnavailableError

OLDEST = 0x020002FF
"""2.0.2, the first version whose header was compared."""
NEXT_MAJOR = 0x03000000

NAMES = (
    "version",
    "err2str",
    "err2name",
    "error_code",
    "error_string",
    "error_is_fatal",
    "error_is_retriable",
    "error_txn_requires_abort",
    "error_destroy",
    "fatal_error",
    "conf_new",
    "conf_set",
    "conf_destroy",
    "conf_set_opaque",
    "conf_set_log_cb",
    "conf_set_error_cb",
    "conf_set_rebalance_cb",
    "conf_set_stats_cb",
    "conf_set_events",
    "new",
    "opaque",
    "name",
    "poll",
    "destroy_flags",
    "topic_partition_list_new",
    "topic_partition_list_add",
    "topic_partition_list_set_offset",
    "topic_partition_list_destroy",
    "poll_set_consumer",
    "queue_get_consumer",
    "queue_get_main",
    "queue_destroy",
    "queue_poll",
    "event_message_next",
    "event_destroy",
    "consume_batch_queue",
    "message_destroy",
    "message_timestamp",
    "message_headers",
    "header_get_all",
    "subscribe",
    "unsubscribe",
    "assign",
    "incremental_assign",
    "incremental_unassign",
    "assignment_lost",
    "rebalance_protocol",
    "seek_partitions",
    "pause_partitions",
    "resume_partitions",
    "committed",
    "query_watermark_offsets",
    "get_watermark_offsets",
    "offsets_for_times",
    "consumer_group_metadata",
    "consumer_group_metadata_destroy",
    "consumer_close",
    "topic_new",
    "topic_name",
    "topic_destroy",
    "init_transactions",
    "begin_transaction",
    "send_offsets_to_transaction",
    "commit_transaction",
    "abort_transaction",
    "produceva",
    "flush",
    "purge",
    "outq_len",
)
"""Functions of the table `Api`, in its order; the library's names have rd_kafka_ before them."""

cdef enum:
    PROBES = 3              # messages of the layout test
    PROBE_MS = 1_000


cdef class Library:
    """The functions of one shared library; loading one that is loaded already gives the same.

    Raises UnavailableError when it cannot be opened, lacks a function, or is of a version or a layout that this
    module was not written for.
    """

    def __cinit__(self, path):
        self.path = path
        self._open(path.encode())
        self.version = self.api.version()
        if not OLDEST <= self.version < NEXT_MAJOR:
            raise UnavailableError(f"{path} is of version {self.version:#010x}, not 2.0.2 or a later 2.x")
        wrong = places_differ(&self.api) or messages_differ(&self.api)
        if wrong:
            raise UnavailableError(f"{path}: {(<bytes>wrong).decode()}")

    cdef _open(self, bytes path):
        cdef void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)
        cdef void** table = <void**>&self.api
        if handle == NULL:
            raise UnavailableError(f"cannot open: {dlerror().decode(errors='replace')}")
        assert len(NAMES) * sizeof(void*) == sizeof(Api), "a name for each function"
        for i, name in enumerate(NAMES):
            table[i] = dlsym(handle, b"rd_kafka_" + name.encode())
            if table[i] == NULL:
                raise UnavailableError(f"{self.path} has no rd_kafka_{name}")


cdef const char* places_differ(const Api* api) noexcept:
    """What of a list of partitions is not where it is declared to be; NULL when all is."""
    cdef Places* places = api.topic_partition_list_new(2)
    cdef const char* wrong = NULL
    api.topic_partition_list_add(places, "first", 3)
    api.topic_partition_list_add(places, "second", 7)
    api.topic_partition_list_set_offset(places, "second", 7, 1234567890123)
    if places.count != 2 or places.room < 2:
        wrong = "its lists of partitions have another layout"
    elif strcmp(places.items[0].topic, "first") != 0 or strcmp(places.items[1].topic, "second") != 0:
        wrong = "its partitions have another size, or the topic is elsewhere"
    elif places.items[1].partition != 7 or places.items[1].offset != 1234567890123:
        wrong = "partition or offset is elsewhere in its partitions"
    elif places.items[1].text != NULL or places.items[1].text_size != 0 or places.items[1].err != OK:
        wrong = "metadata or error is elsewhere in its partitions"
    api.topic_partition_list_destroy(places)
    return wrong


cdef const char* messages_differ(const Api* api) noexcept:
    """The same of messages: some are queued, thrown away at once, and looked at in the reports of that."""
    cdef Conf* conf = api.conf_new()
    cdef char text[256]
    cdef const char* wrong = "a message cannot be queued"
    cdef Kafka* client
    cdef Topic* topic
    api.conf_set_events(conf, EVENT_DELIVERY)
    api.conf_set(conf, "log_level", "0", text, sizeof(text))
    api.conf_set(conf, "enable.metrics.push", "false", text, sizeof(text))
    client = api.new(PRODUCER, conf, text, sizeof(text))
    if client == NULL:
        api.conf_destroy(conf)
        return "no client can be made"
    topic = api.topic_new(client, "layout", NULL)
    if topic != NULL and queue_probes(api, client, topic):
        api.purge(client, PURGE_ALL)
        wrong = reports_differ(api, client)
    if topic != NULL:
        api.topic_destroy(topic)
    api.destroy_flags(client, 0)
    return wrong


cdef bint queue_probes(const Api* api, Kafka* client, Topic* topic) noexcept:
    cdef Argument arguments[8]
    cdef Error* error
    cdef int i
    memset(arguments, 0, sizeof(arguments))
    for i, kind in enumerate(
        (ARG_TOPIC, ARG_PARTITION, ARG_VALUE, ARG_KEY, ARG_OPAQUE, ARG_FLAGS, ARG_TIMESTAMP, ARG_HEADER)
    ):
        arguments[i].kind = kind
    arguments[0].value.topic = topic
    arguments[2].value.bytes = Bytes(b"value", 5)
    arguments[3].value.bytes = Bytes(b"key", 3)
    arguments[5].value.i = COPY
    arguments[6].value.i64 = 1234567890123
    arguments[7].value.header = Header(b"name", b"text", 4)
    for i in range(PROBES):
        arguments[1].value.i32 = i
        arguments[4].value.opaque = <void*><size_t>(100 + i)
        error = api.produceva(client, arguments, 8)
        if error != NULL:
            api.error_destroy(error)
            return False
    return True


cdef const char* reports_differ(const Api* api, Kafka* client) noexcept:
    cdef Queue* queue = api.queue_get_main(client)
    cdef Event* event
    cdef const Message* message
    cdef const char* wrong = NULL
    cdef int seen = 0
    cdef int polls = 0
    while seen < PROBES and wrong == NULL and polls < 2 * PROBES:
        polls += 1
        event = api.queue_poll(queue, PROBE_MS)
        if event == NULL:
            break
        message = api.event_message_next(event)
        while message != NULL and wrong == NULL:
            seen += 1
            wrong = message_differs(api, message)
            message = api.event_message_next(event)
        api.event_destroy(event)
    api.queue_destroy(queue)
    if wrong == NULL and seen < PROBES:
        return "messages that were thrown away are not reported"
    return wrong


cdef const char* message_differs(const Api* api, const Message* m) noexcept:
    cdef Headers* headers = NULL
    cdef const char* name = NULL
    cdef const void* data = NULL
    cdef size_t size = 0
    if m.err != ERR_PURGED or m.partition < 0 or m.partition >= PROBES:
        return "error or partition is elsewhere in its messages"
    if <size_t>m.opaque != <size_t>(100 + m.partition):
        return "the opaque value is elsewhere in its messages"
    if m.size != 5 or memcmp(m.payload, b"value", 5) != 0 or m.key_size != 3 or memcmp(m.key, b"key", 3) != 0:
        return "value or key is elsewhere in its messages"
    if strcmp(api.topic_name(m.topic), "layout") != 0:
        return "the topic is elsewhere in its messages"
    if m.offset != -1001:
        return "the offset is elsewhere in its messages"
    if api.message_headers(m, &headers) != OK or api.header_get_all(headers, 0, &name, &data, &size) != OK:
        return "headers are given differently"
    if strcmp(name, "name") != 0 or size != 4 or memcmp(data, b"text", 4) != 0:
        return "headers are laid out differently"
    return NULL

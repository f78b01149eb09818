package bench;

import demo.Flight;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;

/**
 * The job on Kafka Streams, record by record, exactly_once_v2: one source, one processor, two sinks.
 *
 * <p>Prints one line of JSON after the commit that holds the last event.
 */
public final class Job {
  static final String SOURCE = "flights";
  static final String SCORE = "score";
  static final String PREDICTIONS = "predictions";
  static final String DEAD_LETTERS = "dead-letters";
  private static final long LOOK_EVERY_MS = 2;

  private Job() {}

  public static void main(String[] arguments) throws Exception {
    Map<String, String> given = System.getenv();
    long events = Long.parseLong(given.get("BENCH_EVENTS"));
    Progress progress = new Progress(events);
    try (KafkaStreams streams = new KafkaStreams(topology(given, progress), properties(given))) {
      CountDownLatch failed = new CountDownLatch(1);
      streams.setUncaughtExceptionHandler(
          error -> {
            error.printStackTrace();
            failed.countDown();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
          });
      progress.commits(new Commits(streams));
      streams.start();
      while (!progress.committed()) {
        if (failed.getCount() == 0) {
          System.exit(1);
        }
        Thread.sleep(LOOK_EVERY_MS);
      }
      System.out.println(progress.told());
    }
  }

  private static Topology topology(Map<String, String> given, Progress progress) {
    var bytes = Serdes.ByteArray();
    Topology topology = new Topology();
    topology.addSource(SOURCE, bytes.deserializer(), bytes.deserializer(), given.get("BENCH_INPUT"));
    topology.addProcessor(SCORE, () -> new ScoreProcessor(given.get("BENCH_MODEL"), progress), SOURCE);
    topology.addSink(PREDICTIONS, given.get("BENCH_OUTPUT"), bytes.serializer(), bytes.serializer(), SCORE);
    topology.addSink(DEAD_LETTERS, given.get("BENCH_DEAD_LETTERS"), bytes.serializer(), bytes.serializer(), SCORE);
    return topology;
  }

  private static Properties properties(Map<String, String> given) {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, given.get("BENCH_NAME"));
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, given.get("BENCH_BOOTSTRAP"));
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    properties.put(StreamsConfig.STATE_DIR_CONFIG, given.get("BENCH_SCRATCH"));
    properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 2000);
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100);
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 * 1024);
    return properties;
  }

  /** How many transactions the stream thread has committed. */
  static final class Commits {
    private final KafkaStreams streams;

    Commits(KafkaStreams streams) {
      this.streams = streams;
    }

    double total() {
      return streams.metrics().entrySet().stream()
          .filter(e -> e.getKey().name().equals("commit-total") && e.getKey().group().equals("stream-thread-metrics"))
          .mapToDouble(e -> ((Number) e.getValue().metricValue()).doubleValue())
          .sum();
    }
  }

  /** When the first event came, when half were through, and when the commit after the last one was made. */
  static final class Progress {
    private final long events;
    private final AtomicLong done = new AtomicLong();
    private Commits commits;
    private Moment first;
    private Moment half;
    private volatile double commitsAtLast = -1;
    private Moment last;

    Progress(long events) {
      this.events = events;
    }

    void commits(Commits commits) {
      this.commits = commits;
    }

    /** Called by the stream thread for each event, before it is processed. */
    void event() {
      long now = done.getAndIncrement();
      if (now == 0) {
        first = Moment.now();
      } else if (now == events / 2) {
        half = Moment.now();
      }
    }

    /** Called by the stream thread after each event: no commit can have held the last one yet. */
    void processed() {
      if (done.get() == events) {
        commitsAtLast = commits.total();
      }
    }

    boolean committed() {
      if (commitsAtLast < 0 || commits.total() <= commitsAtLast) {
        return false;
      }
      last = Moment.now();
      return true;
    }

    String told() {
      return Moment.told(events, first, events / 2, half, last);
    }
  }

  /** The schema of the events is compiled in: this loads it before the clock runs. */
  static {
    Flight.getClassSchema();
  }
}

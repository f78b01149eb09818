package bench;

import demo.Flight;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The job on the plain Java clients: what an expert writes by hand. One transaction for at most 10,000 events or 100
 * ms, one call of the model for each poll, offsets in the transaction (KIP-447).
 *
 * <p>An error ends it with its transaction open: started again, it fences that one and reads from the committed
 * offsets.
 */
public final class Loop {
  private static final int BATCH = 10_000;
  private static final long WAIT_NS = 100_000_000L;

  private final Map<String, String> given = System.getenv();
  private final long events = Long.parseLong(given.get("BENCH_EVENTS"));
  private final KafkaConsumer<byte[], byte[]> consumer = consumer();
  private final KafkaProducer<byte[], byte[]> producer = producer();
  private final Codec codec = new Codec();
  private final Model model = new Model(given.get("BENCH_MODEL"), BATCH);
  private final Flight[] flights = new Flight[BATCH];
  private final List<ConsumerRecord<byte[], byte[]>> good = new ArrayList<>(BATCH);
  private final Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
  private Moment first;
  private Moment half;
  private long halfEvents;

  public static void main(String[] arguments) {
    new Loop().run();
  }

  private void run() {
    for (int i = 0; i < BATCH; i++) {
      flights[i] = new Flight();
    }
    try (consumer; producer; model) {
      producer.initTransactions();
      consumer.subscribe(List.of(given.get("BENCH_INPUT")));
      for (long done = 0; done < events; ) {
        done += transaction();
        if (half == null && done >= events / 2) {
          half = Moment.now();
          halfEvents = done;
        }
      }
      System.out.println(Moment.told(events, first, halfEvents, half, Moment.now()));
    }
  }

  /** How many events it committed. */
  private int transaction() {
    int count = 0;
    long deadline = 0;
    while (count == 0 || count < BATCH && System.nanoTime() < deadline) {
      long left = count == 0 ? WAIT_NS : Math.max(0, deadline - System.nanoTime());
      var records = consumer.poll(Duration.ofNanos(left));
      if (records.isEmpty()) {
        continue;
      }
      if (count == 0) {
        first = first == null ? Moment.now() : first;
        deadline = System.nanoTime() + WAIT_NS;
        producer.beginTransaction();
      }
      process(records);
      next.putAll(records.nextOffsets());
      count += records.count();
    }
    producer.sendOffsetsToTransaction(next, consumer.groupMetadata());
    producer.commitTransaction();
    next.clear();
    return count;
  }

  /** At most BATCH records: max.poll.records. */
  private void process(Iterable<ConsumerRecord<byte[], byte[]>> records) {
    for (ConsumerRecord<byte[], byte[]> record : records) {
      Flight flight = flights[good.size()];
      String reason = codec.decode(record.value(), flight) ? Rules.broken(flight) : Codec.NOT_AVRO;
      if (reason == null) {
        model.put(good.size(), flight);
        good.add(record);
      } else {
        dead(record, reason);
      }
    }
    if (!good.isEmpty()) {
      model.run(good.size());
    }
    for (int i = 0; i < good.size(); i++) {
      byte[] value = codec.encode(flights[i], model.score(i));
      producer.send(new ProducerRecord<>(given.get("BENCH_OUTPUT"), good.get(i).key(), value));
    }
    good.clear();
  }

  private void dead(ConsumerRecord<byte[], byte[]> from, String reason) {
    var headers = Codec.origin(reason, from.topic(), from.partition(), from.offset());
    String topic = given.get("BENCH_DEAD_LETTERS");
    producer.send(new ProducerRecord<>(topic, null, from.key(), from.value(), headers));
  }

  private KafkaConsumer<byte[], byte[]> consumer() {
    Properties properties = new Properties();
    properties.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, given.get("BENCH_BOOTSTRAP"));
    properties.put(ConsumerConfig.GROUP_ID_CONFIG, given.get("BENCH_NAME"));
    properties.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
    properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    properties.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, BATCH);
    return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  private KafkaProducer<byte[], byte[]> producer() {
    Properties properties = new Properties();
    properties.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, given.get("BENCH_BOOTSTRAP"));
    properties.put(ProducerConfig.TRANSACTIONAL_ID_CONFIG, given.get("BENCH_NAME"));
    properties.put(ProducerConfig.LINGER_MS_CONFIG, 100);
    properties.put(ProducerConfig.BATCH_SIZE_CONFIG, 256 * 1024);
    properties.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
    return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
  }
}

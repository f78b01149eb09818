package bench;

import demo.Flight;
import demo.Prediction;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.message.BinaryMessageEncoder;
import org.apache.avro.specific.SpecificDatumReader;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;

/** Decodes, checks, scores and encodes one flight; what fails goes to the dead letters as it came. */
final class ScoreProcessor implements Processor<byte[], byte[], byte[], byte[]> {
  /** Marker and fingerprint of Avro's single-object encoding. */
  private static final int FRAMING = 10;

  private static final byte[] PREFIX = prefix();
  private static final String NOT_AVRO = "not Avro";

  private final String modelPath;
  private final Job.Progress progress;
  private final SpecificDatumReader<Flight> reader = new SpecificDatumReader<>(Flight.getClassSchema());
  private final BinaryMessageEncoder<Prediction> encoder = Prediction.getEncoder();
  private final Flight flight = new Flight();
  private final Prediction prediction = new Prediction();
  private BinaryDecoder decoder;
  private Model model;
  private ProcessorContext<byte[], byte[]> context;

  ScoreProcessor(String modelPath, Job.Progress progress) {
    this.modelPath = modelPath;
    this.progress = progress;
  }

  @Override
  public void init(ProcessorContext<byte[], byte[]> context) {
    this.context = context;
    this.model = new Model(modelPath);
  }

  @Override
  public void process(Record<byte[], byte[]> record) {
    progress.event();
    String reason = decode(record.value()) ? Rules.broken(flight) : NOT_AVRO;
    if (reason == null) {
      context.forward(record.withValue(scored()), Job.PREDICTIONS);
    } else {
      context.forward(record.withHeaders(origin(reason)), Job.DEAD_LETTERS);
    }
    progress.processed();
  }

  @Override
  public void close() {
    model.close();
  }

  private boolean decode(byte[] value) {
    if (value == null || value.length < FRAMING || !framed(value)) {
      return false;
    }
    try {
      decoder = DecoderFactory.get().binaryDecoder(value, FRAMING, value.length - FRAMING, decoder);
      reader.read(flight, decoder);
      return decoder.isEnd();
    } catch (IOException | AvroRuntimeException | IndexOutOfBoundsException error) {
      return false;
    }
  }

  private byte[] scored() {
    double delay = flight.getDepDelay();
    double airTime = flight.getAirTime();
    prediction.setFlightId(flight.getFlightId());
    prediction.setCarrier(flight.getCarrier());
    prediction.setOrigin(flight.getOrigin());
    prediction.setDest(flight.getDest());
    prediction.setPredictedDelay(
        model.score(delay, airTime, flight.getDistance(), flight.getHour(), flight.getMonth(), flight.getSchedDepTime()));
    prediction.setGained(delay - airTime / 60);
    prediction.setModel(Model.NAME);
    try {
      var bytes = encoder.encode(prediction);
      byte[] value = new byte[bytes.remaining()];
      bytes.get(value);
      return value;
    } catch (IOException error) {
      throw new java.io.UncheckedIOException(error);
    }
  }

  private Headers origin(String reason) {
    var from = context.recordMetadata().orElseThrow();
    return new RecordHeaders()
        .add("reason", text(reason))
        .add("topic", text(from.topic()))
        .add("partition", text(String.valueOf(from.partition())))
        .add("offset", text(String.valueOf(from.offset())));
  }

  private static boolean framed(byte[] value) {
    for (int i = 0; i < FRAMING; i++) {
      if (value[i] != PREFIX[i]) {
        return false;
      }
    }
    return true;
  }

  private static byte[] prefix() {
    return java.util.HexFormat.of().parseHex(System.getenv("BENCH_FLIGHT_PREFIX"));
  }

  private static byte[] text(String value) {
    return value.getBytes(StandardCharsets.UTF_8);
  }
}

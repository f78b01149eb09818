package bench;

import demo.Flight;
import demo.Prediction;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.message.BinaryMessageEncoder;
import org.apache.avro.specific.SpecificDatumReader;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;

/** Flights from bytes and predictions to bytes: generated classes, every object and buffer used again. One thread. */
final class Codec {
  static final String NOT_AVRO = "not Avro";

  /** Marker and fingerprint of Avro's single-object encoding. */
  private static final int FRAMING = 10;

  private static final byte[] PREFIX = HexFormat.of().parseHex(System.getenv("BENCH_FLIGHT_PREFIX"));

  private final SpecificDatumReader<Flight> reader = new SpecificDatumReader<>(Flight.getClassSchema());
  private final BinaryMessageEncoder<Prediction> encoder = Prediction.getEncoder();
  private final Prediction prediction = new Prediction();
  private final String model = System.getenv("BENCH_MODEL_NAME");
  private BinaryDecoder decoder;

  Codec() {
    prediction.setModel(model);
  }

  /** Fills the flight; false for what is none. */
  boolean decode(byte[] value, Flight flight) {
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

  byte[] encode(Flight flight, double delay) {
    prediction.setFlightId(flight.getFlightId());
    prediction.setCarrier(flight.getCarrier());
    prediction.setOrigin(flight.getOrigin());
    prediction.setDest(flight.getDest());
    prediction.setPredictedDelay(delay);
    prediction.setGained(flight.getDepDelay() - flight.getAirTime() / 60);
    try {
      var bytes = encoder.encode(prediction);
      byte[] value = new byte[bytes.remaining()];
      bytes.get(value);
      return value;
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Of a dead letter: why, and where it came from. */
  static Headers origin(String reason, String topic, int partition, long offset) {
    return new RecordHeaders()
        .add("reason", text(reason))
        .add("topic", text(topic))
        .add("partition", text(String.valueOf(partition)))
        .add("offset", text(String.valueOf(offset)));
  }

  private static boolean framed(byte[] value) {
    for (int i = 0; i < FRAMING; i++) {
      if (value[i] != PREFIX[i]) {
        return false;
      }
    }
    return true;
  }

  private static byte[] text(String value) {
    return value.getBytes(StandardCharsets.UTF_8);
  }
}

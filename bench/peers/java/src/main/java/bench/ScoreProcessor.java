package bench;

import demo.Flight;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;

/** Decodes, checks, scores and encodes one flight; what fails goes to the dead letters as it came. */
final class ScoreProcessor implements Processor<byte[], byte[], byte[], byte[]> {
  private final String modelPath;
  private final Job.Progress progress;
  private final Codec codec = new Codec();
  private final Flight flight = new Flight();
  private Model model;
  private ProcessorContext<byte[], byte[]> context;

  ScoreProcessor(String modelPath, Job.Progress progress) {
    this.modelPath = modelPath;
    this.progress = progress;
  }

  @Override
  public void init(ProcessorContext<byte[], byte[]> context) {
    this.context = context;
    this.model = new Model(modelPath, 1);
  }

  @Override
  public void process(Record<byte[], byte[]> record) {
    progress.event();
    String reason = codec.decode(record.value(), flight) ? Rules.broken(flight) : Codec.NOT_AVRO;
    if (reason == null) {
      model.put(0, flight);
      model.run(1);
      context.forward(record.withValue(codec.encode(flight, model.score(0))), Job.PREDICTIONS);
    } else {
      var from = context.recordMetadata().orElseThrow();
      var headers = Codec.origin(reason, from.topic(), from.partition(), from.offset());
      context.forward(record.withHeaders(headers), Job.DEAD_LETTERS);
    }
    progress.processed();
  }

  @Override
  public void close() {
    model.close();
  }
}

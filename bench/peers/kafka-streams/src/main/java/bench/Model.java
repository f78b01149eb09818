package bench;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Map;

/** The model, one row a call; the tensors of input and output are made once and used again. */
final class Model implements AutoCloseable {
  static final String NAME = "arrival-delay/1";
  private static final int FEATURES = 6;

  private final OrtSession session;
  private final FloatBuffer features = direct(FEATURES);
  private final FloatBuffer score = direct(1);
  private final OnnxTensor output;
  private final OnnxTensor input;
  private final Map<String, OnnxTensor> inputs;
  private final Map<String, OnnxTensor> outputs;

  Model(String path) {
    try {
      OrtEnvironment environment = OrtEnvironment.getEnvironment();
      OrtSession.SessionOptions options = new OrtSession.SessionOptions();
      options.setIntraOpNumThreads(1);
      options.setInterOpNumThreads(1);
      session = environment.createSession(path, options);
      input = OnnxTensor.createTensor(environment, features, new long[] {1, FEATURES});
      output = OnnxTensor.createTensor(environment, score, new long[] {1, 1});
      inputs = Map.of("input", input);
      outputs = Map.of(session.getOutputNames().iterator().next(), output);
    } catch (OrtException error) {
      throw new IllegalStateException(error);
    }
  }

  double score(double delay, double airTime, double distance, int hour, int month, int scheduled) {
    features.put(0, (float) delay).put(1, (float) airTime).put(2, (float) distance);
    features.put(3, hour).put(4, month).put(5, scheduled);
    try (OrtSession.Result ignored = session.run(inputs, outputs)) {
      return score.get(0);
    } catch (OrtException error) {
      throw new IllegalStateException(error);
    }
  }

  @Override
  public void close() {
    try {
      input.close();
      output.close();
      session.close();
    } catch (OrtException error) {
      throw new IllegalStateException(error);
    }
  }

  private static FloatBuffer direct(int length) {
    return ByteBuffer.allocateDirect(length * Float.BYTES).order(ByteOrder.nativeOrder()).asFloatBuffer();
  }
}

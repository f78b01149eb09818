package bench;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import demo.Flight;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Map;

/** The model, up to `rows` flights a call, on one thread. The memory of input and output is used again. */
final class Model implements AutoCloseable {
  private static final int FEATURES = 6;

  private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
  private final FloatBuffer features;
  private final FloatBuffer scores;
  private final OrtSession session;
  private final String output;
  private OnnxTensor in;
  private OnnxTensor out;
  private int width;

  Model(String path, int rows) {
    features = direct(rows * FEATURES);
    scores = direct(rows);
    try {
      OrtSession.SessionOptions options = new OrtSession.SessionOptions();
      options.setIntraOpNumThreads(1);
      options.setInterOpNumThreads(1);
      session = environment.createSession(path, options);
      output = session.getOutputNames().iterator().next();
    } catch (OrtException error) {
      throw new IllegalStateException(error);
    }
  }

  void put(int row, Flight f) {
    int at = row * FEATURES;
    features.put(at, f.getDepDelay().floatValue()).put(at + 1, f.getAirTime().floatValue());
    features.put(at + 2, (float) f.getDistance()).put(at + 3, f.getHour()).put(at + 4, f.getMonth());
    features.put(at + 5, f.getSchedDepTime());
  }

  /** Scores the first so many rows. */
  void run(int rows) {
    try {
      tensors(rows);
      session.run(Map.of("input", in), Map.of(output, out)).close();
    } catch (OrtException error) {
      throw new IllegalStateException(error);
    }
  }

  double score(int row) {
    return scores.get(row);
  }

  @Override
  public void close() {
    try {
      forget();
      session.close();
    } catch (OrtException error) {
      throw new IllegalStateException(error);
    }
  }

  /** Made anew only when the number of rows is another one. */
  private void tensors(int rows) throws OrtException {
    if (rows == width) {
      return;
    }
    forget();
    in = OnnxTensor.createTensor(environment, features.slice(0, rows * FEATURES), new long[] {rows, FEATURES});
    out = OnnxTensor.createTensor(environment, scores.slice(0, rows), new long[] {rows, 1});
    width = rows;
  }

  private void forget() {
    if (in != null) {
      in.close();
      out.close();
    }
  }

  private static FloatBuffer direct(int length) {
    return ByteBuffer.allocateDirect(length * Float.BYTES).order(ByteOrder.nativeOrder()).asFloatBuffer();
  }
}

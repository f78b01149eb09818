package bench;

import java.util.Locale;

/** Seconds of the machine's monotonic clock, and of CPU time of this process, all threads. */
record Moment(double clock, double cpu) {
  static Moment now() {
    var system =
        (com.sun.management.OperatingSystemMXBean) java.lang.management.ManagementFactory.getOperatingSystemMXBean();
    return new Moment(System.nanoTime() / 1e9, system.getProcessCpuTime() / 1e9);
  }

  /** What every program of the comparison tells in the end: half is when so many events were through. */
  static String told(long events, Moment first, long halfEvents, Moment half, Moment last) {
    return String.format(
        Locale.ROOT,
        "{\"events\": %d, \"first_poll_s\": %.6f, \"first_cpu_s\": %.6f, \"half_events\": %d, \"half_s\": %.6f,"
            + " \"half_cpu_s\": %.6f, \"last_commit_s\": %.6f, \"last_cpu_s\": %.6f}",
        events, first.clock, first.cpu, halfEvents, half.clock, half.cpu, last.clock, last.cpu);
  }
}

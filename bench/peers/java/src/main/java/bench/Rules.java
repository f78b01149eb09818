package bench;

import demo.Flight;
import java.util.Set;

/** The seven rules. */
final class Rules {
  private static final Set<String> ORIGINS = Set.of("EWR", "JFK", "LGA");

  private Rules() {}

  /** The first rule that a flight breaks, null for none. */
  static String broken(Flight f) {
    if (f.getDepDelay() == null) {
      return "dep_delay is null";
    }
    if (f.getAirTime() == null) {
      return "air_time is null";
    }
    if (!(f.getDistance() >= 10 && f.getDistance() <= 6000)) {
      return "distance out of range";
    }
    if (f.getHour() < 0 || f.getHour() > 23) {
      return "hour out of range";
    }
    if (!ORIGINS.contains(f.getOrigin())) {
      return "origin unknown";
    }
    if (!carrier(f.getCarrier())) {
      return "carrier malformed";
    }
    double delay = f.getDepDelay();
    return delay >= -120 && delay <= 1500 ? null : "dep_delay out of range";
  }

  /** ^[A-Z0-9]{2}$, by hand: cheaper than a Matcher for each record. */
  private static boolean carrier(String text) {
    return text.length() == 2 && letter(text.charAt(0)) && letter(text.charAt(1));
  }

  private static boolean letter(char c) {
    return c >= 'A' && c <= 'Z' || c >= '0' && c <= '9';
  }
}

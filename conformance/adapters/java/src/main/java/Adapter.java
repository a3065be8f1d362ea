import com.launchdarkly.eventsource.ErrorStrategy;
import com.launchdarkly.eventsource.EventSource;
import com.launchdarkly.eventsource.FaultEvent;
import com.launchdarkly.eventsource.MessageEvent;
import com.launchdarkly.eventsource.StartedEvent;
import com.launchdarkly.eventsource.StreamEvent;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Base64;

/** The adapter of okhttp-eventsource for sseconform. Not tested: see the README beside it. */
public class Adapter {
    public static void main(String[] args) throws Exception {
        var builder = new EventSource.Builder(URI.create(args[0])).errorStrategy(ErrorStrategy.alwaysContinue());
        try (EventSource source = builder.build()) {
            for (StreamEvent event : source.anyEvents()) {
                if (event instanceof MessageEvent m) {
                    System.out.printf("{\"type_b64\":\"%s\",\"data_b64\":\"%s\",\"id_b64\":\"%s\"}%n",
                            b64(m.getEventName()), b64(m.getData()), b64(m.getLastEventId()));
                } else if (event instanceof StartedEvent) {
                    System.out.println("{\"open\":true}");
                } else if (event instanceof FaultEvent) {
                    System.out.println("{\"error\":\"a fault\"}");
                }
            }
        }
        System.out.println("{\"closed\":true}");
    }

    private static String b64(String s) {
        return s == null ? "" : Base64.getEncoder().encodeToString(s.getBytes(StandardCharsets.UTF_8));
    }
}

// Receives callbacks of iamport-relay and checks their signatures. Java 17 and newer, nothing to install.
//
// RELAY_ENDPOINT_SECRET=whsec_… PORT=3000 java Verify.java

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.concurrent.Executors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Verify {
    static final byte[] KEY =
        Base64.getDecoder().decode(System.getenv("RELAY_ENDPOINT_SECRET").replaceFirst("^whsec_", ""));
    // Seconds between the relay's clock and ours: older callbacks may be replayed ones.
    static final long TOLERANCE = 300;

    /** Whether these are headers and body (the bytes as they came, before any parsing) of a genuine callback. */
    static boolean verified(Headers headers, byte[] body) throws Exception {
        String id = headers.getFirst("webhook-id");
        String timestamp = headers.getFirst("webhook-timestamp");
        String signatures = headers.getFirst("webhook-signature");
        if (id == null || timestamp == null || signatures == null || !timestamp.matches("[0-9]{1,12}")) return false;
        if (Math.abs(System.currentTimeMillis() / 1000 - Long.parseLong(timestamp)) > TOLERANCE) return false;
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(KEY, "HmacSHA256"));
        mac.update((id + "." + timestamp + ".").getBytes(StandardCharsets.UTF_8));
        byte[] expected = ("v1," + Base64.getEncoder().encodeToString(mac.doFinal(body))).getBytes(StandardCharsets.UTF_8);
        // While a secret is being replaced there is a signature by each; isEqual takes the same time for all.
        boolean found = false;
        for (String one : signatures.split(" ")) {
            found |= MessageDigest.isEqual(expected, one.getBytes(StandardCharsets.UTF_8));
        }
        return found;
    }

    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "3000"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.createContext("/", exchange -> {
            byte[] body = exchange.getRequestBody().readAllBytes();
            int status = 401;
            try {
                if (verified(exchange.getRequestHeaders(), body)) {
                    System.out.println("genuine " + exchange.getRequestHeaders().getFirst("webhook-id"));
                    status = 204;
                }
            } catch (Exception error) {
                status = 500;
            }
            exchange.sendResponseHeaders(status, -1);
            exchange.close();
        });
        server.start();
    }
}

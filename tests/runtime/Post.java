import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Arrays;

/** Posts a body as a JDK's HttpClient does by default: known length, chunked, and with Expect: 100-continue. */
public class Post {
    public static void main(String[] args) throws Exception {
        byte[] body = args[1].getBytes("UTF-8");
        for (String way : new String[] {"length", "chunked", "expect"}) {
            HttpClient client = HttpClient.newHttpClient();
            for (int time = 0; time < 2; time++) {
                HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(args[0]));
                for (String header : Arrays.copyOfRange(args, 2, args.length)) {
                    request.header(header.split("=", 2)[0], header.split("=", 2)[1]);
                }
                boolean chunked = way.equals("chunked");
                request.expectContinue(way.equals("expect"));
                request.POST(chunked
                    ? BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body))
                    : BodyPublishers.ofByteArray(body));
                System.out.println(way + " " + client.send(request.build(), BodyHandlers.ofString()).statusCode());
            }
        }
    }
}

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;

/**
 * Prints what Kafka's SimpleHeaderConverter reads in each line of standard input, in which \n, \t and the like stand for
 * what they stand for in Java: text, schema and value. Tests/ConnectRuntimeTests/HeaderValueFixture.swift holds its answers
 * (version 4.3, time zone UTC).
 */
public class HeaderValues {
    public static void main(String[] arguments) throws Exception {
        SimpleHeaderConverter converter = new SimpleHeaderConverter();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String text = line.translateEscapes();
            SchemaAndValue read = converter.toConnectHeader("topic", "name", text.getBytes(StandardCharsets.UTF_8));
            if (read == null) read = SchemaAndValue.NULL;
            System.out.println(quoted(text) + " => " + show(read.schema()) + " => " + show(read.value()));
        }
    }

    static String quoted(String text) {
        StringBuilder result = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') result.append('\\').append(c);
            else if (c < 32 || c > 126) result.append(String.format("\\u%04x", (int) c));
            else result.append(c);
        }
        return result.append('"').toString();
    }

    static String show(Schema schema) {
        if (schema == null) return "null";
        switch (schema.type()) {
            case ARRAY: return "array<" + show(schema.valueSchema()) + ">";
            case MAP: return "map<" + show(schema.keySchema()) + "," + show(schema.valueSchema()) + ">";
            default:
        }
        String name = schema.name() == null ? "" : ":" + schema.name().substring(schema.name().lastIndexOf('.') + 1);
        if (name.equals(":Decimal")) name += "(" + schema.parameters().get("scale") + ")";
        return schema.type().getName() + name;
    }

    static String show(Object value) {
        if (value == null) return "null";
        if (value instanceof java.util.Date date) return "date(" + date.getTime() + ")";
        if (value instanceof String text) return quoted(text);
        if (value instanceof byte[] bytes) return "bytes(" + Base64.getEncoder().encodeToString(bytes) + ")";
        if (value instanceof List<?> list) {
            StringJoiner elements = new StringJoiner(", ", "[", "]");
            for (Object element : list) elements.add(show(element));
            return elements.toString();
        }
        if (value instanceof Map<?, ?> map) {
            StringJoiner entries = new StringJoiner(", ", "{", "}");
            for (var entry : map.entrySet()) entries.add(show(entry.getKey()) + "=" + show(entry.getValue()));
            return entries.toString();
        }
        return value.getClass().getSimpleName() + "(" + value + ")";
    }
}

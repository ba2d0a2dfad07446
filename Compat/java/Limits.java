import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Apache Kafka's clients at a broker with connections.max.reauth.ms=1500 and alice by PLAIN: sessions are renewed (KIP-368),
 * settings of the broker changed (KIP-226), quotas of time felt (KIP-124). usage: Limits BOOTSTRAP
 */
public class Limits {
    static final Map<String, Object> settings = new HashMap<>();

    static void check(boolean condition, String what) {
        if (!condition) throw new IllegalStateException(what);
        System.out.println("ok " + what);
    }

    static double metric(Map<?, ? extends Metric> metrics, String group, String name) {
        return metrics.values().stream()
            .filter(m -> m.metricName().name().equals(name) && m.metricName().group().equals(group)
                && m.metricName().tags().size() == 1)
            .mapToDouble(m -> (Double) m.metricValue()).sum();
    }

    static void renewed() throws Exception {
        Map<String, Object> own = new HashMap<>(settings);
        own.put("client.id", "renewed");
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(own, new StringSerializer(), new StringSerializer())) {
            long end = System.currentTimeMillis() + 30000;
            int sent = 0;
            double renewals = 0;
            while (renewals < 2 && System.currentTimeMillis() < end) {
                producer.send(new ProducerRecord<>("t", "v" + sent++)).get();
                Thread.sleep(20);
                renewals = metric(producer.metrics(), "producer-metrics", "successful-reauthentication-total");
            }
            double failures = metric(producer.metrics(), "producer-metrics", "failed-reauthentication-total");
            double closed = metric(producer.metrics(), "producer-metrics", "connection-close-total");
            check(renewals >= 2 && failures == 0 && closed == 0, "sessions renewed: " + renewals + ", none lost");
        }
    }

    static ConfigEntry describe(Admin admin, ConfigResource resource, String name) throws Exception {
        DescribeConfigsOptions options = new DescribeConfigsOptions().includeSynonyms(true);
        return admin.describeConfigs(List.of(resource), options).all().get().get(resource).get(name);
    }

    static void alter(Admin admin, ConfigResource resource, String name, String value) throws Exception {
        Collection<AlterConfigOp> operations = List.of(new AlterConfigOp(new ConfigEntry(name, value),
            value == null ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET));
        admin.incrementalAlterConfigs(Map.of(resource, operations)).all().get();
    }

    static void brokerConfigs(Admin admin) throws Exception {
        ConfigResource cluster = new ConfigResource(ConfigResource.Type.BROKER, "");
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        String name = "log.retention.ms";
        alter(admin, cluster, name, "1000");
        check(describe(admin, broker, name).source() == ConfigEntry.ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG,
            "default of the cluster");
        alter(admin, broker, name, "2000");
        ConfigEntry entry = describe(admin, broker, name);
        check(entry.value().equals("2000") && entry.source() == ConfigEntry.ConfigSource.DYNAMIC_BROKER_CONFIG
            && !entry.isReadOnly(), "setting of the broker");
        check(entry.synonyms().stream().map(ConfigEntry.ConfigSynonym::source).toList().equals(List.of(
            ConfigEntry.ConfigSource.DYNAMIC_BROKER_CONFIG, ConfigEntry.ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG,
            ConfigEntry.ConfigSource.DEFAULT_CONFIG)), "synonyms");
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, "t");
        check(describe(admin, topic, "retention.ms").value().equals("2000"), "topics have it");
        alter(admin, broker, name, null);
        alter(admin, cluster, name, null);
        check(describe(admin, broker, name).isDefault(), "gone again");
        try {
            alter(admin, broker, "log.dirs", "/elsewhere");
            throw new IllegalStateException("log.dirs changed");
        } catch (ExecutionException error) {
            check(error.getCause() instanceof InvalidRequestException, "read-only: " + error.getCause().getMessage());
        }
    }

    static void throttled(Admin admin) throws Exception {
        ClientQuotaEntity entity = new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, "busy"));
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity,
            List.of(new ClientQuotaAlteration.Op("request_percentage", 0.001))))).all().get();
        Map<String, Object> own = new HashMap<>(settings);
        own.put("client.id", "busy");
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(own, new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < 3; i++) producer.send(new ProducerRecord<>("t", "v")).get();
            double longest = metric(producer.metrics(), "producer-metrics", "produce-throttle-time-max");
            check(longest > 0 && longest <= 1000, "throttled for " + longest + " ms");
        }
    }

    public static void main(String[] arguments) throws Exception {
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("security.protocol", "SASL_PLAINTEXT");
        settings.put("sasl.mechanism", "PLAIN");
        settings.put("sasl.jaas.config",
            "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"a\";");
        renewed();
        try (Admin admin = Admin.create(settings)) {
            brokerConfigs(admin);
            throttled(admin);
        }
        System.out.println("DONE");
    }
}

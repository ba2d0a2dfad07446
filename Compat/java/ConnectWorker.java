import java.io.FileInputStream;
import java.util.*;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.connect.connector.policy.AllConnectorClientConfigOverridePolicy;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.json.JsonConverterConfig;
import org.apache.kafka.connect.runtime.Worker;
import org.apache.kafka.connect.runtime.distributed.*;
import org.apache.kafka.connect.runtime.isolation.Plugins;
import org.apache.kafka.connect.runtime.rest.RestClient;
import org.apache.kafka.connect.runtime.rest.entities.ConnectorStateInfo;
import org.apache.kafka.connect.storage.*;
import org.apache.kafka.connect.util.SharedTopicAdmin;

/**
 * Apache Kafka's distributed Connect worker without its REST server (PyPI has not all of Jetty): its herder, worker and
 * stores, as ConnectDistributed puts them together. ConnectWorker PROPERTIES; prints the states of all connectors and
 * tasks whenever they change, and stops in good order when its input ends.
 */
public class ConnectWorker {
    public static void main(String[] args) throws Exception {
        Properties file = new Properties();
        try (FileInputStream in = new FileInputStream(args[0])) {
            file.load(in);
        }
        Map<String, String> props = new HashMap<>();
        file.forEach((key, value) -> props.put((String) key, (String) value));
        String workerId = props.get("worker.id");
        DistributedConfig config = new DistributedConfig(props);
        Plugins plugins = new Plugins(props);
        plugins.compareAndSwapWithDelegatingLoader();
        String cluster = config.kafkaClusterId();
        Map<String, Object> adminProps = new HashMap<>(config.originals());
        SharedTopicAdmin admin = new SharedTopicAdmin(adminProps);
        JsonConverter json = new JsonConverter();
        json.configure(Map.of(JsonConverterConfig.SCHEMAS_ENABLE_CONFIG, "false"), true);
        KafkaOffsetBackingStore offsets = new KafkaOffsetBackingStore(admin, () -> workerId + "-", json);
        offsets.configure(config);
        AllConnectorClientConfigOverridePolicy policy = new AllConnectorClientConfigOverridePolicy();
        policy.configure(Map.of());
        Worker worker = new Worker(workerId, Time.SYSTEM, plugins, config, offsets, policy);
        Converter values = worker.getInternalValueConverter();
        StatusBackingStore status = new KafkaStatusBackingStore(Time.SYSTEM, values, admin, workerId + "-");
        status.configure(config);
        ConfigBackingStore configs =
            new KafkaConfigBackingStore(values, config, worker.configTransformer(), admin, workerId + "-");
        DistributedHerder herder = new DistributedHerder(
            config, Time.SYSTEM, worker, cluster, status, configs, "http://" + workerId + "/", new RestClient(config),
            policy, List.of(), admin);
        herder.start();
        Thread input = new Thread(() -> {
            try {
                while (System.in.read() >= 0) { }
            } catch (java.io.IOException closed) { }
        });
        input.setDaemon(true);
        input.start();
        String last = null;
        while (input.isAlive()) {
            String now = describe(herder);
            if (!now.equals(last)) System.out.println(now);
            System.out.flush();
            last = now;
            Thread.sleep(200);
        }
        herder.stop();
        System.out.println("stopped");
        System.exit(0);
    }

    /** One line: NAME=STATE@WORKER[TASK=STATE@WORKER,...] of each connector. */
    private static String describe(DistributedHerder herder) {
        StringBuilder line = new StringBuilder();
        for (String name : new TreeSet<>(herder.connectors())) {
            ConnectorStateInfo info;
            try {
                info = herder.connectorStatus(name);
            } catch (RuntimeException notYet) {
                continue;
            }
            line.append(name).append('=').append(info.connector().state()).append('@').append(info.connector().workerId());
            List<String> tasks = new ArrayList<>();
            for (ConnectorStateInfo.TaskState task : info.tasks()) {
                tasks.add(task.id() + "=" + task.state() + "@" + task.workerId());
            }
            line.append(tasks).append(' ');
        }
        return line.toString().replace(", ", ",").trim();
    }
}

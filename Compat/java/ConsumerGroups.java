import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Apache Kafka's consumer with group.protocol=consumer (KIP-848). usage: ConsumerGroups BOOTSTRAP */
public class ConsumerGroups {
    static String bootstrap;

    static KafkaConsumer<String, String> consumer(String group, String protocol) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.id", group);
        settings.put("group.protocol", protocol);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    static void check(boolean holds, Object shown) {
        if (!holds) {
            throw new AssertionError(String.valueOf(shown));
        }
    }

    /** Polls until the members own as many partitions as wanted; what was read is returned. */
    static List<String> settle(List<KafkaConsumer<String, String>> members, List<Integer> wanted) {
        List<String> values = new ArrayList<>();
        long deadline = System.currentTimeMillis() + 30_000;
        while (System.currentTimeMillis() < deadline) {
            List<Integer> counts = new ArrayList<>();
            for (KafkaConsumer<String, String> member : members) {
                for (ConsumerRecord<String, String> record : member.poll(Duration.ofMillis(50))) {
                    values.add(record.value());
                }
                counts.add(member.assignment().size());
            }
            if (counts.equals(wanted)) {
                return values;
            }
        }
        throw new AssertionError("not settled");
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        admin.createTopics(List.of(new NewTopic("jg-a", 4, (short) 1), new NewTopic("jg-b", 2, (short) 1),
            new NewTopic("other", 2, (short) 1))).all().get();
        Properties plain = new Properties();
        plain.put("bootstrap.servers", bootstrap);
        try (KafkaProducer<String, String> producer =
            new KafkaProducer<>(plain, new StringSerializer(), new StringSerializer())) {
            for (int number = 0; number < 12; number++) {
                producer.send(new ProducerRecord<>("jg-a", number % 4, null, "a" + number));
            }
        }

        KafkaConsumer<String, String> first = consumer("jg-share", "consumer");
        first.subscribe(List.of("jg-a"));
        List<String> values = new ArrayList<>(settle(List.of(first), List.of(4)));
        while (values.size() < 12) {
            first.poll(Duration.ofMillis(100)).forEach(record -> values.add(record.value()));
        }
        first.commitSync();
        KafkaConsumer<String, String> second = consumer("jg-share", "consumer");
        second.subscribe(List.of("jg-a"));
        check(settle(List.of(first, second), List.of(2, 2)).isEmpty(), "read again");
        Set<TopicPartition> all = new HashSet<>(first.assignment());
        all.addAll(second.assignment());
        check(all.size() == 4, all);
        ConsumerGroupDescription description = admin.describeConsumerGroups(Set.of("jg-share")).all().get()
            .get("jg-share");
        check(description.type() == GroupType.CONSUMER && description.members().size() == 2, description);
        second.close();
        settle(List.of(first), List.of(4));
        first.close();
        System.out.println("ok shared");

        KafkaConsumer<String, String> pattern = consumer("jg-pattern", "consumer");
        pattern.subscribe(new SubscriptionPattern("jg-(a|b|c)"));
        settle(List.of(pattern), List.of(6));
        admin.createTopics(List.of(new NewTopic("jg-c", 3, (short) 1))).all().get();
        settle(List.of(pattern), List.of(9));
        pattern.close();
        KafkaConsumer<String, String> wrong = consumer("jg-wrong", "consumer");
        wrong.subscribe(new SubscriptionPattern("jg-(a"));
        try {
            for (int round = 0; round < 50; round++) {
                wrong.poll(Duration.ofMillis(100));
            }
            throw new AssertionError("the pattern was accepted");
        } catch (InvalidRegularExpression expected) {
            wrong.close();
        }
        System.out.println("ok patterns");

        KafkaConsumer<String, String> classic = consumer("jg-share", "classic");
        classic.subscribe(List.of("jg-a"));
        check(settle(List.of(classic), List.of(4)).isEmpty(), "read again by the classic protocol");
        classic.close();
        KafkaConsumer<String, String> back = consumer("jg-share", "consumer");
        back.subscribe(List.of("jg-a"));
        check(settle(List.of(back), List.of(4)).isEmpty(), "read again");
        back.close();
        System.out.println("ok migrated");
        admin.close();
        System.out.println("DONE");
    }
}

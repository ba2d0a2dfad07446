import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.FeatureMetadata;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Apache Kafka's producer and consumer: transactions of the second protocol (KIP-890). usage: Transactions BOOTSTRAP */
public class Transactions {
    static String bootstrap;

    static KafkaProducer<String, String> producer(String id) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("transactional.id", id);
        KafkaProducer<String, String> made =
            new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
        made.initTransactions();
        return made;
    }

    static KafkaConsumer<String, String> consumer(String group, String isolation) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.id", group);
        settings.put("isolation.level", isolation);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    static List<String> read(String topic, String isolation) {
        List<String> values = new ArrayList<>();
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> consumer = consumer("reader", isolation)) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            while (consumer.position(partition) < end) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    values.add(record.value());
                }
            }
        }
        return values;
    }

    static void check(boolean holds, Object shown) {
        if (!holds) {
            throw new AssertionError(String.valueOf(shown));
        }
    }

    static ProducerState state(Admin admin, String topic) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 0);
        List<ProducerState> states =
            admin.describeProducers(Set.of(partition)).partitionResult(partition).get().activeProducers();
        return states.get(states.size() - 1);
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        FeatureMetadata features = admin.describeFeatures().featureMetadata().get();
        check(features.finalizedFeatures().get("transaction.version").maxVersionLevel() == 2, features);
        admin.createTopics(List.of(new NewTopic("java-tx", 1, (short) 1), new NewTopic("java-in", 1, (short) 1),
            new NewTopic("java-out", 1, (short) 1))).all().get();

        KafkaProducer<String, String> first = producer("java-a");
        List<Integer> epochs = new ArrayList<>();
        for (int number = 0; number < 6; number++) {
            first.beginTransaction();
            first.send(new ProducerRecord<>("java-tx", "value " + number));
            first.flush();
            epochs.add(state(admin, "java-tx").producerEpoch());
            if (number % 2 == 0) {
                first.commitTransaction();
            } else {
                first.abortTransaction();
            }
        }
        for (int number = 1; number < 6; number++) {
            check(epochs.get(number) == epochs.get(number - 1) + 1, "an epoch for each transaction: " + epochs);
        }
        check(read("java-tx", "read_committed").equals(List.of("value 0", "value 2", "value 4")),
            read("java-tx", "read_committed"));
        check(read("java-tx", "read_uncommitted").size() == 6, "uncommitted");
        System.out.println("ok committed and aborted, epochs " + epochs);

        first.beginTransaction();
        first.abortTransaction();
        first.beginTransaction();
        first.commitTransaction();
        System.out.println("ok empty transactions");

        first.beginTransaction();
        first.send(new ProducerRecord<>("java-tx", "of the fenced")).get();
        TransactionListing listing = admin.listTransactions().all().get().stream()
            .filter(entry -> entry.transactionalId().equals("java-a")).findFirst().get();
        check(listing.state() == TransactionState.ONGOING, listing);
        TransactionDescription description = admin.describeTransactions(Set.of("java-a")).description("java-a").get();
        check(description.topicPartitions().equals(Set.of(new TopicPartition("java-tx", 0))), description);
        KafkaProducer<String, String> second = producer("java-a");
        try {
            first.send(new ProducerRecord<>("java-tx", "too late"));
            first.commitTransaction();
            throw new AssertionError("the fenced producer committed");
        } catch (ProducerFencedException | InvalidProducerEpochException expected) {
            first.close(Duration.ZERO);
        } catch (org.apache.kafka.common.KafkaException expected) {
            check(expected.getCause() instanceof InvalidProducerEpochException
                || expected.getCause() instanceof ProducerFencedException, expected);
            first.close(Duration.ZERO);
        }
        second.beginTransaction();
        second.send(new ProducerRecord<>("java-tx", "of the second"));
        second.commitTransaction();
        check(read("java-tx", "read_committed").equals(List.of("value 0", "value 2", "value 4", "of the second")),
            read("java-tx", "read_committed"));
        System.out.println("ok fenced");

        Properties plain = new Properties();
        plain.put("bootstrap.servers", bootstrap);
        try (KafkaProducer<String, String> source =
            new KafkaProducer<>(plain, new StringSerializer(), new StringSerializer())) {
            for (int number = 0; number < 10; number++) {
                source.send(new ProducerRecord<>("java-in", String.valueOf(number)));
            }
        }
        copy(second);
        check(read("java-out", "read_committed").equals(
            Arrays.asList("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")), read("java-out", "read_committed"));
        System.out.println("ok offsets in transactions");

        second.beginTransaction();
        second.send(new ProducerRecord<>("java-tx", "hanging")).get();
        ProducerState hanging = state(admin, "java-tx");
        check(hanging.currentTransactionStartOffset().isPresent(), hanging);
        admin.abortTransaction(new AbortTransactionSpec(new TopicPartition("java-tx", 0), hanging.producerId(),
            (short) hanging.producerEpoch(), 0)).all().get();
        check(state(admin, "java-tx").currentTransactionStartOffset().isEmpty(), state(admin, "java-tx"));
        check(read("java-tx", "read_committed").size() == 4, read("java-tx", "read_committed"));
        admin.fenceProducers(Set.of("java-a")).all().get();
        second.close(Duration.ZERO);
        System.out.println("ok administered");
        admin.close();
        System.out.println("DONE");
    }

    /** Copies ten records in transactions of five, each aborted once before it is committed. */
    static void copy(KafkaProducer<String, String> producer) {
        TopicPartition in = new TopicPartition("java-in", 0);
        boolean aborts = true;
        try (KafkaConsumer<String, String> consumer = consumer("java-copy", "read_committed")) {
            consumer.subscribe(List.of("java-in"));
            long done = 0;
            while (done < 10) {
                List<ConsumerRecord<String, String>> records = new ArrayList<>();
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(500))) {
                    if (records.size() < 5) {
                        records.add(record);
                    }
                }
                if (records.isEmpty()) {
                    continue;
                }
                producer.beginTransaction();
                for (ConsumerRecord<String, String> record : records) {
                    producer.send(new ProducerRecord<>("java-out", record.value()));
                }
                long next = records.get(records.size() - 1).offset() + 1;
                producer.sendOffsetsToTransaction(
                    Collections.singletonMap(in, new OffsetAndMetadata(next)), consumer.groupMetadata());
                if (aborts) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                    done = next;
                }
                aborts = !aborts;
                Map<TopicPartition, OffsetAndMetadata> committed = new HashMap<>(consumer.committed(Set.of(in)));
                check(done == 0 ? committed.get(in) == null : committed.get(in).offset() == done, committed);
                consumer.seek(in, done);
            }
        }
    }
}

// load produce BROKER TOPIC SIZE COUNT PARTITIONS ACKS CODEC RATE, load consume BROKER TOPIC COUNT PARTITIONS:
// the load of `make bench`, on librdkafka, so that the client costs as little as a real one can.
//
// Produces COUNT records of SIZE bytes to a topic that it creates, RATE per second or as fast as the queue takes them
// for RATE 0; or reads COUNT records. Prints seconds, bytes, and for producers the 50th and 99th percentile in
// microseconds of the time from produce() to the delivery report.
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POOL (1 << 20)

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void fail(const char *what, const char *why) {
    fprintf(stderr, "load: %s: %s\n", what, why);
    exit(1);
}

// Words of eight letters in random order: lz4 makes half of them, as of much real data.
static char *text(void) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
    char words[512][8];
    char *pool = malloc(POOL);
    srandom(1);
    for (int i = 0; i < 512; i++) {
        for (int j = 0; j < 8; j++) words[i][j] = letters[random() % 32];
    }
    for (int i = 0; i < POOL; i += 8) memcpy(pool + i, words[random() % 512], 8);
    return pool;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char error[512];
    if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) fail(name, error);
}

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *broker) {
    char error[512];
    set(conf, "bootstrap.servers", broker);
    rd_kafka_t *handle = rd_kafka_new(type, conf, error, sizeof error);
    if (handle == NULL) fail("client", error);
    return handle;
}

static void create_topic(rd_kafka_t *handle, const char *name, int partitions) {
    char error[512];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, 1, error, sizeof error);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
    rd_kafka_CreateTopics(handle, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 10000);
    if (event == NULL) fail("create topic", "no answer");
    if (rd_kafka_event_error(event)) fail("create topic", rd_kafka_event_error_string(event));
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
}

static int64_t *latencies;
static int64_t delivered;

static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque) {
    (void)handle;
    (void)opaque;
    if (message->err) fail("delivery", rd_kafka_err2str(message->err));
    latencies[delivered++] = now_ns() - (int64_t)(intptr_t)message->_private;
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void produce(char **argv) {
    const char *topic = argv[3];
    int64_t size = atoll(argv[4]), count = atoll(argv[5]), rate = atoll(argv[9]);
    int partitions = atoi(argv[6]);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "acks", argv[7]);
    // As our producer is by default: at most five requests in flight, each batch once.
    if (getenv("LOAD_IDEMPOTENT")) set(conf, "enable.idempotence", "true");
    set(conf, "compression.codec", argv[8]);
    set(conf, "linger.ms", rate ? "0" : "5");
    set(conf, "batch.size", "65536");
    set(conf, "batch.num.messages", "100000");
    set(conf, "queue.buffering.max.messages", "100000");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *handle = client(RD_KAFKA_PRODUCER, conf, argv[2]);
    create_topic(handle, topic, partitions);
    char *pool = text();
    latencies = calloc(count + 1000, sizeof *latencies);
    rd_kafka_topic_t *to = rd_kafka_topic_new(handle, topic, NULL);
    // Warm up: connection and metadata are there when time begins.
    for (int p = 0; p < partitions; p++) {
        rd_kafka_produce(to, p, 0, pool, 1, NULL, 0, (void *)(intptr_t)now_ns());
    }
    rd_kafka_flush(handle, 30000);
    delivered = 0;
    int64_t began = now_ns(), bytes = size * count;
    for (int64_t i = 0; i < count; i++) {
        while (rate && now_ns() < began + i * 1000000000LL / rate) rd_kafka_poll(handle, 0);
        void *value = pool + (i * 104729) % (POOL - size);
        // In runs of 64, as librdkafka's own sticky partitioner would choose, but evenly.
        while (rd_kafka_produce(to, (i / 64) % partitions, 0, value, size, NULL, 0, (void *)(intptr_t)now_ns()) != 0) {
            rd_kafka_resp_err_t error = rd_kafka_last_error();
            if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) fail("produce", rd_kafka_err2str(error));
            rd_kafka_poll(handle, 1);
        }
        if (i % 64 == 0) rd_kafka_poll(handle, 0);
    }
    while (delivered < count) rd_kafka_poll(handle, 100);
    double seconds = (now_ns() - began) / 1e9;
    qsort(latencies, delivered, sizeof *latencies, ascending);
    int64_t p50 = latencies[count / 2], p99 = latencies[count * 99 / 100];
    printf("%f %lld %f %f\n", seconds, (long long)bytes, p50 / 1e3, p99 / 1e3);
}

static void consume(char **argv) {
    const char *topic = argv[3];
    int64_t count = atoll(argv[4]), seen = 0, bytes = 0;
    int partitions = atoi(argv[5]);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "fetch.wait.max.ms", "100");
    set(conf, "queued.min.messages", "1000000");
    rd_kafka_t *handle = client(RD_KAFKA_CONSUMER, conf, argv[2]);
    rd_kafka_topic_t *from = rd_kafka_topic_new(handle, topic, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
    rd_kafka_message_t **batch = calloc(10000, sizeof *batch);
    // Time begins with the first records: finding out where to begin takes the client half a second.
    int64_t asked = now_ns(), began = 0, first_bytes = 0;
    for (int p = 0; p < partitions; p++) rd_kafka_consume_start_queue(from, p, RD_KAFKA_OFFSET_BEGINNING, queue);
    while (seen < count) {
        if (now_ns() - asked > 60000000000LL) fail("consume", "a minute is over");
        ssize_t found = rd_kafka_consume_batch_queue(queue, 100, batch, 10000);
        if (found < 0) fail("consume", rd_kafka_err2str(rd_kafka_last_error()));
        for (ssize_t i = 0; i < found; i++) {
            // One byte: the record that warmed the producer up.
            if (!batch[i]->err && batch[i]->len > 1) {
                seen++;
                bytes += batch[i]->len;
            }
            rd_kafka_message_destroy(batch[i]);
        }
        if (began == 0 && seen > 0) began = now_ns(), first_bytes = bytes;
    }
    double seconds = (now_ns() - began) / 1e9;
    // Scaled to all bytes, so that the broker's CPU seconds can be divided by them.
    printf("%f %lld\n", seconds * bytes / (bytes > first_bytes ? bytes - first_bytes : bytes), (long long)bytes);
}

int main(int argc, char **argv) {
    if (argc == 10 && strcmp(argv[1], "produce") == 0) {
        produce(argv);
    } else if (argc == 6 && strcmp(argv[1], "consume") == 0) {
        consume(argv);
    } else {
        fail("usage", "see the head of load.c");
    }
    fflush(stdout);
    _Exit(0);  // librdkafka takes up to a second to end in order
}

// raw produce PORT TOPIC SIZE BATCH COUNT ACKS, raw fetch PORT TOPIC BYTES: a broker's own limit, with peers that do
// next to nothing. raw disk FILE SIZE COUNT: the disk's own limit, COUNT writes of SIZE bytes, each waited for.
//
// The producer sends one prepared request (Produce v3: one batch of BATCH records of SIZE bytes) COUNT times over one
// connection, five under way. The reader asks for one topic's partition 0 (Fetch v4) from its beginning until it has
// seen BYTES; it looks at batch headers only and has the kernel throw the rest away. Both print seconds and bytes.
#include <arpa/inet.h>
#include <endian.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IN_FLIGHT 5

static char out[16 << 20];
static size_t filled;

static void fail(const char *why) {
    fprintf(stderr, "raw: %s\n", why);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

// MARK: writing

static void put(uint64_t value, int bytes) {
    if (filled + bytes > sizeof out) fail("the request is too large");
    while (bytes-- > 0) out[filled++] = (char)(value >> (8 * bytes));
}

static void put_at(size_t place, uint64_t value, int bytes) {
    size_t end = filled;
    filled = place;
    put(value, bytes);
    filled = end;
}

static void put_string(const char *text) {
    put(strlen(text), 2);
    for (; *text; text++) put(*text, 1);
}

static void put_varint(int64_t value) {
    uint64_t rest = (uint64_t)(value << 1) ^ (uint64_t)(value >> 63);
    for (; rest >= 0x80; rest >>= 7) put(rest | 0x80, 1);
    put(rest, 1);
}

static int varint_size(int64_t value) {
    size_t before = filled;
    put_varint(value);
    int size = (int)(filled - before);
    filled = before;
    return size;
}

static uint32_t crc32c(const char *bytes, size_t count) {
    uint32_t crc = ~0u;
    for (size_t i = 0; i < count; i++) {
        crc ^= (unsigned char)bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    }
    return ~crc;
}

// One record batch of the format with magic 2.
static void put_batch(int size, int records) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t time = t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
    size_t start = filled;
    put(0, 8), put(0, 4), put(-1, 4), put(2, 1), put(0, 4);
    put(0, 2), put(records - 1, 4), put(time, 8), put(time, 8), put(-1, 8), put(-1, 2), put(-1, 4), put(records, 4);
    srandom(1);
    for (int i = 0; i < records; i++) {
        put_varint(1 + 1 + varint_size(i) + 1 + varint_size(size) + size + 1);
        put(0, 1), put_varint(0), put_varint(i), put_varint(-1), put_varint(size);
        for (int j = 0; j < size; j++) put(random(), 1);
        put_varint(0);
    }
    put_at(start + 8, filled - start - 12, 4);
    put_at(start + 17, crc32c(out + start + 21, filled - start - 21), 4);
}

static void begin(int key, int version) {
    filled = 0;
    put(0, 4), put(key, 2), put(version, 2), put(1, 4), put_string("raw");
}

// MARK: the wire

static int connect_to(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int socket_ = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(socket_, (struct sockaddr *)&address, sizeof address) != 0) fail("cannot connect");
    return socket_;
}

static void send_all(int socket_, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t sent = send(socket_, bytes, count, MSG_NOSIGNAL);
        if (sent <= 0) fail("the broker has closed the connection");
        bytes += sent;
        count -= sent;
    }
}

// Throws `count` bytes away if `into` is NULL.
static void receive(int socket_, char *into, size_t count) {
    while (count > 0) {
        ssize_t got = into ? recv(socket_, into, count, MSG_WAITALL) : recv(socket_, NULL, count, MSG_TRUNC);
        if (got <= 0) fail("the broker has closed the connection");
        into = into ? into + got : NULL;
        count -= got;
    }
}

static uint64_t number(const char *at, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | (unsigned char)at[i];
    return value;
}

static uint64_t receive_number(int socket_, int bytes) {
    char raw[8];
    receive(socket_, raw, bytes);
    return number(raw, bytes);
}

// MARK: the runs

static void produce(char **argv) {
    int socket_ = connect_to(atoi(argv[2])), size = atoi(argv[4]), records = atoi(argv[5]), count = atoi(argv[6]);
    const char *topic = argv[3];
    begin(0, 3);
    put(-1, 2), put(strcmp(argv[7], "all") == 0 ? -1 : 1, 2), put(30000, 4);
    put(1, 4), put_string(topic), put(1, 4), put(0, 4);
    size_t length_at = filled;
    put(0, 4);
    put_batch(size, records);
    put_at(length_at, filled - length_at - 4, 4);
    put_at(0, filled - 4, 4);
    double began = now();
    for (int sent = 0, answered = 0; answered < count;) {
        while (sent < count && sent - answered < IN_FLIGHT) {
            send_all(socket_, out, filled);
            sent++;
        }
        char answer[1024];
        uint64_t length = receive_number(socket_, 4);
        if (length > sizeof answer) fail("the answer is too large");
        receive(socket_, answer, length);
        if (number(answer + 4 + 4 + 2 + strlen(topic) + 4 + 4, 2) != 0) fail("an error for an answer");
        answered++;
    }
    printf("%f %lld\n", now() - began, (long long)size * records * count);
}

static void fetch(char **argv) {
    int socket_ = connect_to(atoi(argv[2]));
    const char *topic = argv[3];
    uint64_t wanted = strtoull(argv[4], NULL, 10), seen = 0, offset = 0;
    double began = now();
    while (seen < wanted) {
        begin(1, 4);
        put(-1, 4), put(100, 4), put(1, 4), put(8 << 20, 4), put(0, 1);
        put(1, 4), put_string(topic), put(1, 4), put(0, 4), put(offset, 8), put(8 << 20, 4);
        put_at(0, filled - 4, 4);
        send_all(socket_, out, filled);
        char head[1024];
        size_t head_size = 4 + 4 + 4 + 4 + 2 + strlen(topic) + 4 + 4 + 2 + 8 + 8;
        receive(socket_, head, head_size);
        if (number(head + head_size - 18, 2) != 0) fail("an error for an answer");
        int32_t aborted = (int32_t)receive_number(socket_, 4);
        if (aborted > 0) receive(socket_, NULL, 16 * (size_t)aborted);
        int32_t left = (int32_t)receive_number(socket_, 4);
        while (left > 0) {
            char header[61];
            if (left < (int32_t)sizeof header) {
                receive(socket_, NULL, left);
                break;
            }
            receive(socket_, header, sizeof header);
            int32_t length = 12 + (int32_t)number(header + 8, 4);
            if (length > left) {  // a part of a batch, which some brokers send
                receive(socket_, NULL, left - sizeof header);
                break;
            }
            receive(socket_, NULL, length - sizeof header);
            offset = number(header, 8) + number(header + 23, 4) + 1;
            seen += length;
            left -= length;
        }
    }
    printf("%f %llu\n", now() - began, (unsigned long long)seen);
}

static void disk(char **argv) {
    size_t size = strtoull(argv[3], NULL, 10), count = strtoull(argv[4], NULL, 10);
    int file = open(argv[2], O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (file < 0 || size > sizeof out) fail("the file cannot be made, or SIZE is too large");
    double began = now();
    for (size_t n = 0; n < count; n++) {
        if (pwrite(file, out, size, (off_t)(n * size)) != (ssize_t)size || fdatasync(file) != 0) fail("a write failed");
    }
    printf("%f %llu\n", now() - began, (unsigned long long)(size * count));
}

int main(int argc, char **argv) {
    if (argc == 8 && strcmp(argv[1], "produce") == 0) {
        produce(argv);
    } else if (argc == 5 && strcmp(argv[1], "fetch") == 0) {
        fetch(argv);
    } else if (argc == 5 && strcmp(argv[1], "disk") == 0) {
        disk(argv);
    } else {
        fail("usage: see the head of raw.c");
    }
    return 0;
}

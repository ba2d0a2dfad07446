// CRC32C three ways: SSE4.2 and ARMv8 CRC instructions, each with three interleaved streams because one instruction has
// a latency of three cycles and a throughput of one, and slicing-by-8 tables for every other processor.
// Streams are joined by multiplying a CRC by x^(8n) mod P, a linear operator held as four tables of 256 entries
// (the method of Mark Adler's public crc32c.c, 2013).
#include "ccrc32c.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <nmmintrin.h>
#define CRC_TARGET __attribute__((target("sse4.2")))
#define CRC_U8(crc, byte) _mm_crc32_u8((uint32_t)(crc), (byte))
#define CRC_U64(crc, word) _mm_crc32_u64((crc), (word))
#define HAS_CRC_PATH 1
#elif defined(__aarch64__)
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#define CRC_TARGET __attribute__((target("crc")))
#define CRC_U8(crc, byte) __builtin_arm_crc32cb((uint32_t)(crc), (byte))
#define CRC_U64(crc, word) __builtin_arm_crc32cd((uint32_t)(crc), (word))
#define HAS_CRC_PATH 1
#else
#define HAS_CRC_PATH 0
#endif

#define POLYNOMIAL 0x82f63b78u  // Castagnoli, bit-reversed
#define LONG_STREAM 4096u       // bytes of each of three streams; multiples of 8
#define SHORT_STREAM 256u

typedef uint32_t (*crc_function)(uint32_t, const void *, size_t);

static uint32_t slice_table[8][256];
static uint32_t long_shift[4][256];
static uint32_t short_shift[4][256];
static crc_function chosen;
static bool accelerated;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_slice_table(void) {
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t crc = n;
        for (int bit = 0; bit < 8; bit++) crc = (crc & 1) ? (crc >> 1) ^ POLYNOMIAL : crc >> 1;
        slice_table[0][n] = crc;
    }
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t crc = slice_table[0][n];
        for (int k = 1; k < 8; k++) {
            crc = slice_table[0][crc & 0xff] ^ (crc >> 8);
            slice_table[k][n] = crc;
        }
    }
}

static uint64_t load64_little(const unsigned char *p) {
    uint64_t word;
    memcpy(&word, p, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static uint32_t software(uint32_t seed, const void *data, size_t length) {
    const unsigned char *p = data;
    uint32_t crc = ~seed;
    while (length >= 8) {
        uint64_t word = load64_little(p) ^ crc;
        crc = slice_table[7][word & 0xff] ^ slice_table[6][(word >> 8) & 0xff] ^ slice_table[5][(word >> 16) & 0xff] ^
              slice_table[4][(word >> 24) & 0xff] ^ slice_table[3][(word >> 32) & 0xff] ^
              slice_table[2][(word >> 40) & 0xff] ^ slice_table[1][(word >> 48) & 0xff] ^ slice_table[0][word >> 56];
        p += 8;
        length -= 8;
    }
    while (length > 0) {
        crc = slice_table[0][(crc ^ *p++) & 0xff] ^ (crc >> 8);
        length--;
    }
    return ~crc;
}

#if HAS_CRC_PATH
/// The operator "append `length` zero bytes" as four tables, one for each byte of the CRC it is applied to.
static void make_shift(uint32_t table[4][256], size_t length) {
    uint32_t column[32];
    for (int bit = 0; bit < 32; bit++) {
        uint32_t crc = 1u << bit;
        for (size_t n = 0; n < length; n++) crc = slice_table[0][crc & 0xff] ^ (crc >> 8);
        column[bit] = crc;
    }
    for (int byte = 0; byte < 4; byte++) {
        for (uint32_t n = 0; n < 256; n++) {
            uint32_t crc = 0;
            for (int bit = 0; bit < 8; bit++) {
                if (n & (1u << bit)) crc ^= column[byte * 8 + bit];
            }
            table[byte][n] = crc;
        }
    }
}

static uint32_t shift(uint32_t table[4][256], uint32_t crc) {
    return table[0][crc & 0xff] ^ table[1][(crc >> 8) & 0xff] ^ table[2][(crc >> 16) & 0xff] ^ table[3][crc >> 24];
}

CRC_TARGET static uint32_t three_streams(uint32_t crc, const unsigned char *p, size_t stream, uint32_t table[4][256]) {
    uint64_t first = crc, second = 0, third = 0;
    for (const unsigned char *end = p + stream; p < end; p += 8) {
        first = CRC_U64(first, load64_little(p));
        second = CRC_U64(second, load64_little(p + stream));
        third = CRC_U64(third, load64_little(p + 2 * stream));
    }
    uint32_t joined = shift(table, (uint32_t)first) ^ (uint32_t)second;
    return shift(table, joined) ^ (uint32_t)third;
}

CRC_TARGET static uint32_t hardware(uint32_t seed, const void *data, size_t length) {
    const unsigned char *p = data;
    uint64_t crc = (uint32_t)~seed;
    for (; length >= 3 * LONG_STREAM; p += 3 * LONG_STREAM, length -= 3 * LONG_STREAM) {
        crc = three_streams((uint32_t)crc, p, LONG_STREAM, long_shift);
    }
    for (; length >= 3 * SHORT_STREAM; p += 3 * SHORT_STREAM, length -= 3 * SHORT_STREAM) {
        crc = three_streams((uint32_t)crc, p, SHORT_STREAM, short_shift);
    }
    for (; length >= 8; p += 8, length -= 8) crc = CRC_U64(crc, load64_little(p));
    for (; length > 0; p++, length--) crc = CRC_U8(crc, *p);
    return ~(uint32_t)crc;
}
#endif

static bool processor_has_crc(void) {
#if defined(__x86_64__)
    unsigned int a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & (1u << 20));  // bit_SSE4_2
#elif defined(__aarch64__) && defined(__APPLE__)
    return true;  // every 64-bit Apple processor with macOS
#elif defined(__aarch64__) && defined(__linux__)
    return (getauxval(AT_HWCAP) & (1ul << 7)) != 0;  // HWCAP_CRC32
#else
    return false;
#endif
}

static void choose(void) {
    make_slice_table();
    crc_function function = software;
#if HAS_CRC_PATH
    if (processor_has_crc()) {
        make_shift(long_shift, LONG_STREAM);
        make_shift(short_shift, SHORT_STREAM);
        function = hardware;
        accelerated = true;
    }
#endif
    __atomic_store_n(&chosen, function, __ATOMIC_RELEASE);
}

uint32_t ccrc32c(uint32_t crc, const void *data, size_t length) {
    crc_function function = __atomic_load_n(&chosen, __ATOMIC_ACQUIRE);
    if (function == NULL) {
        pthread_once(&once, choose);
        function = __atomic_load_n(&chosen, __ATOMIC_ACQUIRE);
    }
    return function(crc, data, length);
}

uint32_t ccrc32c_software(uint32_t crc, const void *data, size_t length) {
    pthread_once(&once, choose);
    return software(crc, data, length);
}

bool ccrc32c_is_accelerated(void) {
    pthread_once(&once, choose);
    return accelerated;
}

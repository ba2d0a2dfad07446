#!/usr/bin/env python3
"""Writes murmur2-partitions.bin: the partition (of 1009) of each of 10,000 keys as librdkafka's partitioner `murmur2`
picks it, as big-endian 16-bit numbers. Apache Kafka's `Utils.toPositive(Utils.murmur2(key)) % 1009` gives the same file.

Key i has i % 67 bytes: the high bytes of x = x * 1664525 + 1013904223 (mod 2^32), starting from i * 2654435761 + 1.
"""
import ctypes
import glob
import os
import struct

import confluent_kafka

folder = os.path.dirname(confluent_kafka.__file__)
library = ctypes.CDLL(glob.glob(os.path.join(folder, "..", "confluent_kafka.libs", "librdkafka-*.so*"))[0])
partitioner = library.rd_kafka_msg_partitioner_murmur2
partitioner.restype = ctypes.c_int32
partitioner.argtypes = [
    ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p]


def key(number):
    state, result = (number * 2654435761 + 1) & 0xFFFFFFFF, bytearray()
    for _ in range(number % 67):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        result.append(state >> 24)
    return bytes(result)


path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "murmur2-partitions.bin")
with open(path, "wb") as file:
    for number in range(10_000):
        bytes_ = key(number)
        file.write(struct.pack(">H", partitioner(None, bytes_, len(bytes_), 1009, None, None)))

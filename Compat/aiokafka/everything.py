"""aiokafka: produce, consume, two members of a group; it speaks only the low ends of the version ranges.

usage: everything.py BOOTSTRAP
"""
import asyncio
import sys

import aiokafka.codec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

bootstrap = sys.argv[1]
COUNT = 200


async def codecs():
    # The codecs that this Python has libraries for.
    names = [None, "gzip"] + [name for name in ["snappy", "lz4", "zstd"] if getattr(aiokafka.codec, f"has_{name}")()]
    for codec in names:
        for idempotent in [False, True]:
            topic = f"aio-{codec}-{idempotent}"
            admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
            await admin.start()
            await admin.create_topics([NewTopic(topic, 2, 1)])
            await admin.close()
            producer = AIOKafkaProducer(
                bootstrap_servers=bootstrap, compression_type=codec, enable_idempotence=idempotent, linger_ms=5)
            await producer.start()
            futures = [
                await producer.send(topic, b"value %d " % n * 5, b"k%d" % n, partition=n % 2) for n in range(COUNT)
            ]
            offsets = [(await future).offset for future in futures]
            assert offsets == [n // 2 for n in range(COUNT)], offsets
            await producer.stop()
            consumer = AIOKafkaConsumer(
                topic, bootstrap_servers=bootstrap, group_id=f"g-{topic}", auto_offset_reset="earliest",
                enable_auto_commit=False)
            await consumer.start()
            seen = []
            while len(seen) < COUNT:
                record = await asyncio.wait_for(consumer.getone(), 20)
                n = int(record.key[1:])
                assert record.value == b"value %d " % n * 5 and record.offset == n // 2
                seen.append(n)
            assert sorted(seen) == list(range(COUNT))
            await consumer.commit()
            assert await consumer.committed(TopicPartition(topic, 0)) == 100
            await consumer.stop()
            print("ok", topic, flush=True)


async def sharing():
    topic = "aio-six"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 6, 1)])
    settings = dict(
        bootstrap_servers=bootstrap, group_id="aio-sharing", auto_offset_reset="earliest", heartbeat_interval_ms=300,
        session_timeout_ms=6000)
    one, two = AIOKafkaConsumer(topic, **settings), AIOKafkaConsumer(topic, **settings)
    await one.start()
    await two.start()
    for _ in range(200):
        await asyncio.gather(one.getmany(timeout_ms=100), two.getmany(timeout_ms=100))
        if len(one.assignment()) == len(two.assignment()) == 3:
            break
    assert len(one.assignment() | two.assignment()) == 6, (one.assignment(), two.assignment())
    await two.stop()
    for _ in range(200):
        await one.getmany(timeout_ms=100)
        if len(one.assignment()) == 6:
            break
    assert len(one.assignment()) == 6
    await one.stop()
    await admin.close()
    print("ok shared", flush=True)


async def transactions():
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="aio-tx")
    await producer.start()
    for number in range(4):
        await producer.begin_transaction()
        await producer.send_and_wait("aio-tx", b"%d" % number, partition=0)
        await producer.send_offsets_to_transaction({TopicPartition("aio-tx", 0): number + 1}, "aio-tx-group")
        await (producer.abort_transaction() if number % 2 else producer.commit_transaction())
    await producer.stop()
    consumer = AIOKafkaConsumer(
        "aio-tx", bootstrap_servers=bootstrap, group_id="aio-tx-reader", isolation_level="read_committed",
        auto_offset_reset="earliest")
    await consumer.start()
    values = [(await asyncio.wait_for(consumer.getone(), 10)).value for _ in range(2)]
    assert values == [b"0", b"2"], values
    await consumer.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id="aio-tx-group")
    await consumer.start()
    assert await consumer.committed(TopicPartition("aio-tx", 0)) == 3
    await consumer.stop()
    print("ok transactions", flush=True)


async def main():
    await codecs()
    await sharing()
    await transactions()
    print("DONE", flush=True)


asyncio.run(main())

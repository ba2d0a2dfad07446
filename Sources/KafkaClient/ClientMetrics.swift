import CoreMetrics

/// A producer's figures, for whichever swift-metrics back end the program has.
struct ProducerMetrics: Sendable {
    private let records: Counter
    private let bytes: Counter
    private let failures: Counter
    private let delivery: Timer

    init(clientID: String) {
        let dimensions = [("client_id", clientID)]
        records = Counter(label: "kafka_producer_records", dimensions: dimensions)
        bytes = Counter(label: "kafka_producer_bytes", dimensions: dimensions)
        failures = Counter(label: "kafka_producer_failures", dimensions: dimensions)
        delivery = Timer(label: "kafka_producer_delivery", dimensions: dimensions)
    }

    /// A batch was acknowledged, so long after its first record was handed over.
    func delivered(records count: Int32, bytes size: Int, nanoseconds: Int64) {
        records.increment(by: Int64(count))
        bytes.increment(by: Int64(size))
        delivery.recordNanoseconds(nanoseconds)
    }

    /// So many records did not arrive.
    func failed(records count: Int32) { failures.increment(by: Int64(count)) }
}

/// A consumer's figures.
struct ConsumerMetrics: Sendable {
    private let records: Counter
    private let bytes: Counter
    private let rebalances: Counter

    init(clientID: String, groupID: String?) {
        let dimensions = [("client_id", clientID), ("group", groupID ?? "")]
        records = Counter(label: "kafka_consumer_records", dimensions: dimensions)
        bytes = Counter(label: "kafka_consumer_bytes", dimensions: dimensions)
        rebalances = Counter(label: "kafka_consumer_rebalances", dimensions: dimensions)
    }

    /// A poll has handed out so much.
    func read(records count: Int, bytes size: Int) {
        records.increment(by: Int64(count))
        bytes.increment(by: Int64(size))
    }

    /// The partitions were divided anew.
    func rebalanced() { rebalances.increment() }
}

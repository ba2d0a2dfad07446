import ArgumentParser
import KafkaClient
import Logging
import NIOCore

/// `sluice producer-perf-test`
struct ProducerPerformanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "producer-perf-test",
        abstract: "Send records as fast as they go, and tell how fast that is.",
        discussion: """
            Example:
              sluice producer-perf-test --topic perf --num-records 1000000 --record-size 100 \\
                  --throughput -1 --producer-props linger.ms=5 compression.type=lz4
            """
    )

    @Option(help: ArgumentHelp("Topic to send to.", valueName: "name"))
    var topic: String

    @Option(help: ArgumentHelp("How many records to send.", valueName: "count"))
    var numRecords: Int

    @Option(help: ArgumentHelp("Size of each record's value.", valueName: "bytes"))
    var recordSize: Int

    @Option(parsing: .unconditional, help: ArgumentHelp("Records per second; -1 for no limit.", valueName: "count"))
    var throughput: Int

    @Option(
        name: [.customLong("producer-props"), .customLong("command-property")], parsing: .upToNextOption,
        help: ArgumentHelp("Properties of the producer, such as acks=1.", valueName: "name=value"))
    var producerProps: [String] = []

    @Option(name: .customLong("producer.config"), help: .hidden)
    var producerConfig: String?

    @Option(
        help: ArgumentHelp("Send in transactions under this transactional.id.", valueName: "id"))
    var transactionalId: String?

    @Option(help: ArgumentHelp("How long a transaction lasts (default: 3000).", valueName: "ms"))
    var transactionDurationMs: Int?

    @OptionGroup var client: ClientOptions
    @OptionGroup var log: LogOptions

    func validate() throws {
        guard numRecords > 0 else { throw ValidationError("--num-records must be at least 1") }
        guard (1...1_000_000).contains(recordSize) else {
            throw ValidationError("--record-size must lie between 1 and 1000000")
        }
        guard throughput != 0 else { throw ValidationError("--throughput is a number of records, or -1 for no limit") }
    }

    func run() async throws {
        var properties = try client.properties(files: [producerConfig], pairs: producerProps)
        if transactionDurationMs != nil, transactionalId == nil, properties["transactional.id"] == nil {
            properties["transactional.id"] = "performance-producer"
        }
        if let transactionalId { properties["transactional.id"] = transactionalId }
        var configuration = try ProducerConfiguration(properties: properties)
        configuration.client.bootstrapPatience = .zero
        let producer = try KafkaProducer(
            configuration: configuration, logger: log.logger("producer", default: .warning))
        let isTransactional = configuration.transactionalID != nil
        let stop = StopSignal()
        let result = await stop.run {
            if isTransactional { try await producer.initTransactions() }
            // Connections, metadata and the producer's id are there before time begins.
            if !isTransactional { _ = try await producer.send(ProducerRecord(topic: topic, value: nil)) }
            let report = try await self.send(to: producer, isTransactional: isTransactional)
            Terminal.print(report.line(isFinal: true))
        }
        await producer.close()
        try result.get()
        if stop.isRaised { throw CommandFailure(nil, status: .interrupted) }
    }

    /// Chunks are handed over without waiting for their acknowledgement, which a second task takes the time of.
    private func send(to producer: KafkaProducer, isTransactional: Bool) async throws -> LatencyReport {
        let payload = PerformancePayload(recordSize: recordSize)
        let (receipts, continuation) = AsyncStream.makeStream(of: Sent.self)
        let duration = Duration.milliseconds(transactionDurationMs ?? 3000)
        async let report = collect(receipts)
        defer { continuation.finish() }
        let start = ContinuousClock.now
        var transactionEnd = start
        var sent = 0
        // Paced sends go out in chunks of a millisecond.
        let chunk = throughput < 0 ? 512 : max(min(throughput / 1000, 512), 1)
        while sent < numRecords {
            try Task.checkCancellation()
            if isTransactional, sent == 0 || ContinuousClock.now >= transactionEnd {
                if sent > 0 { try await producer.commitTransaction() }
                try producer.beginTransaction()
                transactionEnd = ContinuousClock.now + duration
            }
            if throughput > 0 {
                let due = start + .nanoseconds(Int64(sent) * 1_000_000_000 / Int64(throughput))
                if due > .now { try await Task.sleep(until: due, clock: .continuous) }
            }
            let count = min(chunk, numRecords - sent)
            let records = (sent..<(sent + count)).map { ProducerRecord(topic: topic, value: payload.value($0)) }
            let began = ContinuousClock.now
            continuation.yield(Sent(receipt: try await producer.enqueue(contentsOf: records), began: began))
            sent += count
        }
        if isTransactional { try await producer.commitTransaction() }
        continuation.finish()
        return try await report
    }

    private struct Sent: Sendable {
        var receipt: SendReceipt
        var began: ContinuousClock.Instant
    }

    @concurrent
    private func collect(_ receipts: AsyncStream<Sent>) async throws -> LatencyReport {
        let start = ContinuousClock.now
        var report = LatencyReport(recordSize: recordSize, start: start)
        var window = report
        for await sent in receipts {
            try await sent.receipt.wait()
            let now = ContinuousClock.now
            report.add(sent.began.duration(to: now), count: sent.receipt.count, now: now)
            window.add(sent.began.duration(to: now), count: sent.receipt.count, now: now)
            if window.elapsed >= .seconds(5) {
                Terminal.print(window.line(isFinal: false))
                window = LatencyReport(recordSize: recordSize, start: now)
            }
        }
        return report
    }
}

/// Words of eight letters in random order, of which records are slices: lz4 makes half of them, as of much real data.
struct PerformancePayload: Sendable {
    private let pool: ByteBuffer
    private let recordSize: Int
    private static let poolSize = 1 << 21

    init(recordSize: Int) {
        self.recordSize = recordSize
        // A fixed sequence, so that runs can be compared.
        var seed: UInt64 = 1
        func random(_ bound: Int) -> Int {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(seed >> 33) % bound
        }
        let letters = Array("abcdefghijklmnopqrstuvwxyz012345".utf8)
        let words = (0..<512).map { _ in (0..<8).map { _ in letters[random(letters.count)] } }
        var pool = ByteBuffer()
        pool.reserveCapacity(Self.poolSize)
        while pool.writerIndex < Self.poolSize { pool.writeBytes(words[random(words.count)]) }
        self.pool = pool
    }

    func value(_ index: Int) -> ByteBuffer? {
        pool.getSlice(at: (index &* 104_729) % (Self.poolSize - recordSize), length: recordSize)
    }
}

/// Counts and latencies, printed as Kafka's tool prints them.
struct LatencyReport: Sendable {
    private let recordSize: Int
    private let start: ContinuousClock.Instant
    private var end: ContinuousClock.Instant
    private var count = 0
    private var total: Duration = .zero
    private var longest: Duration = .zero
    /// Chunks with the number of their records.
    private var samples: [(latency: Duration, count: Int)] = []

    init(recordSize: Int, start: ContinuousClock.Instant) {
        self.recordSize = recordSize
        self.start = start
        end = start
    }

    var elapsed: Duration { start.duration(to: end) }

    mutating func add(_ latency: Duration, count: Int, now: ContinuousClock.Instant) {
        self.count += count
        total += latency * count
        longest = max(longest, latency)
        samples.append((latency, count))
        end = now
    }

    func line(isFinal: Bool) -> String {
        let seconds = max(elapsed / .milliseconds(1), 1) / 1000
        let rate = Double(count) / seconds
        let megabytes = rate * Double(recordSize) / 1_048_576
        var line =
            "\(count) records sent, \(rate.fixed(1)) records/sec (\(megabytes.fixed(2)) MB/sec), "
            + "\(milliseconds(total / max(count, 1)).fixed(2)) ms avg latency, "
            + "\(milliseconds(longest).fixed(2)) ms max latency"
        if isFinal {
            let sorted = samples.sorted { $0.latency < $1.latency }
            for (share, name) in [(0.5, "50th"), (0.95, "95th"), (0.99, "99th"), (0.999, "99.9th")] {
                line += ", \(milliseconds(Self.percentile(sorted, share, of: count)).fixed(2)) ms \(name)"
            }
        }
        return line + "."
    }

    private static func percentile(
        _ sorted: [(latency: Duration, count: Int)], _ share: Double, of count: Int
    ) -> Duration {
        var rest = Int((Double(count) * share).rounded(.up))
        for sample in sorted {
            rest -= sample.count
            if rest <= 0 { return sample.latency }
        }
        return sorted.last?.latency ?? .zero
    }

    private func milliseconds(_ duration: Duration) -> Double { duration / .milliseconds(1) }
}

extension Double {
    /// With so many digits behind the point.
    func fixed(_ digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (abs(self) * scale).rounded()
        guard scaled.isFinite, scaled < 1e18 else { return "0" }
        let text = String(Int64(scaled))
        let padded = String(repeating: "0", count: max(digits + 1 - text.utf8.count, 0)) + text
        let sign = self < 0 && scaled > 0 ? "-" : ""
        guard digits > 0 else { return sign + padded }
        return sign + padded.dropLast(digits) + "." + padded.suffix(digits)
    }
}

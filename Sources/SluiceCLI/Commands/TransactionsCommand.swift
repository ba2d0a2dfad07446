import ArgumentParser
import KafkaClient
import KafkaProtocol
import Logging

/// `sluice transactions`
struct TransactionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transactions",
        abstract: "List and describe transactions, and end those that hang.",
        discussion: """
            Examples:
              sluice transactions list --state Ongoing
              sluice transactions describe --transactional-id orders-1
              sluice transactions describe-producers --topic orders --partition 0
              sluice transactions find-hanging
              sluice transactions abort --topic orders --partition 0 --start-offset 4711
              sluice transactions force-terminate --transactional-id orders-1
            """
    )

    /// What is to be done, in Kafka's words.
    enum Action: String, ExpressibleByArgument, CaseIterable {
        case list, describe, abort
        case describeProducers = "describe-producers"
        case findHanging = "find-hanging"
        case forceTerminate = "force-terminate"
    }

    @Argument(help: "list, describe, describe-producers, find-hanging, abort or force-terminate.")
    var action: Action

    @OptionGroup var client: ClientOptions

    @Option(help: ArgumentHelp("describe, force-terminate: the transactional id.", valueName: "id"))
    var transactionalId: String?

    @Option(help: ArgumentHelp("describe-producers, find-hanging, abort: the topic.", valueName: "name"))
    var topic: String?

    @Option(help: ArgumentHelp("describe-producers, find-hanging, abort: the partition.", valueName: "number"))
    var partition: Int32?

    @Option(help: ArgumentHelp("abort: where the transaction begins in the partition.", valueName: "offset"))
    var startOffset: Int64?

    @Option(help: ArgumentHelp("abort: the producer, instead of --start-offset.", valueName: "id"))
    var producerId: Int64?

    @Option(help: ArgumentHelp("abort: the epoch of --producer-id.", valueName: "number"))
    var producerEpoch: Int32?

    @Option(help: ArgumentHelp("list: only those in this state; may be repeated.", valueName: "state"))
    var state: [String] = []

    @Option(help: ArgumentHelp("list: only those that have been open for longer.", valueName: "ms"))
    var durationFilter: Int64?

    @Option(
        help: ArgumentHelp(
            "find-hanging: those that nothing was written to for so long are suspects.", valueName: "minutes"))
    var maxTransactionTimeout: Int64 = 15

    @OptionGroup var log: LogOptions

    func validate() throws {
        guard (0...Int64(Int32.max)).contains(maxTransactionTimeout) else {
            throw ValidationError("--max-transaction-timeout \(maxTransactionTimeout): a number of minutes is needed")
        }
        switch action {
        case .list:
            break
        case .describe, .forceTerminate:
            if transactionalId == nil { throw ValidationError("\(action.rawValue) needs --transactional-id") }
        case .describeProducers, .abort:
            if topic == nil || partition == nil {
                throw ValidationError("\(action.rawValue) needs --topic and --partition")
            }
            if action == .abort, (startOffset == nil) == (producerId == nil) {
                throw ValidationError("abort needs --start-offset, or --producer-id with --producer-epoch")
            }
            if (producerId == nil) != (producerEpoch == nil) {
                throw ValidationError("--producer-id and --producer-epoch belong together")
            }
        case .findHanging:
            if partition != nil, topic == nil { throw ValidationError("--partition needs --topic") }
        }
    }

    func run() async throws {
        let admin = try KafkaAdminClient(
            configuration: client.adminConfiguration(), logger: log.logger("admin", default: .error))
        do {
            try await perform(admin)
        } catch {
            await admin.close()
            throw error
        }
        await admin.close()
    }

    private func perform(_ admin: KafkaAdminClient) async throws {
        switch action {
        case .list: try await list(admin)
        case .describe: try await describe(transactionalId ?? "", admin)
        case .describeProducers: try await describeProducers(chosenPartition(), admin)
        case .findHanging: try await findHanging(admin)
        case .abort: try await abort(chosenPartition(), admin)
        case .forceTerminate: try await forceTerminate(transactionalId ?? "", admin)
        }
    }

    private func chosenPartition() -> TopicPartition { TopicPartition(topic: topic ?? "", partition: partition ?? 0) }

    private func list(_ admin: KafkaAdminClient) async throws {
        let found = try await admin.listTransactions(
            states: state, openFor: durationFilter.map { .milliseconds($0) })
        var table = TextTable([
            .init(title: "TransactionalId", minimumWidth: 15), .init(title: "ProducerId", minimumWidth: 10),
            .init(title: "TransactionState", minimumWidth: 0),
        ])
        for entry in found { table.add([entry.transactionalID, String(entry.producerID), entry.state]) }
        for line in table.lines { Terminal.print(line) }
    }

    private func describe(_ id: String, _ admin: KafkaAdminClient) async throws {
        guard let found = try await admin.describeTransactions([id])[id]?.get() else { return }
        let now = WallClock.now()
        var table = TextTable([
            .init(title: "TransactionalId", minimumWidth: 15), .init(title: "ProducerId", minimumWidth: 10),
            .init(title: "ProducerEpoch", minimumWidth: 13), .init(title: "TransactionState", minimumWidth: 16),
            .init(title: "TransactionTimeoutMs", minimumWidth: 20),
            .init(title: "CurrentTransactionStartTimeMs", minimumWidth: 29),
            .init(title: "TransactionDurationMs", minimumWidth: 21), .init(title: "TopicPartitions", minimumWidth: 0),
        ])
        table.add([
            id, String(found.producerID), String(found.producerEpoch), found.state,
            String(Int64(found.timeout / .milliseconds(1))),
            found.startTime.map { String($0) } ?? "None", found.startTime.map { String(max(0, now - $0)) } ?? "None",
            found.partitions.map { "\($0.topic)-\($0.partition)" }.joined(separator: ","),
        ])
        for line in table.lines { Terminal.print(line) }
    }

    private func describeProducers(_ partition: TopicPartition, _ admin: KafkaAdminClient) async throws {
        var table = TextTable([
            .init(title: "ProducerId", minimumWidth: 10), .init(title: "ProducerEpoch", minimumWidth: 13),
            .init(title: "LatestCoordinatorEpoch", minimumWidth: 22), .init(title: "LastSequence", minimumWidth: 12),
            .init(title: "LastTimestamp", minimumWidth: 13),
            .init(title: "CurrentTransactionStartOffset", minimumWidth: 0),
        ])
        for producer in try await admin.describeProducers([partition])[partition]?.get() ?? [] {
            table.add([
                String(producer.producerID), String(producer.producerEpoch), String(producer.coordinatorEpoch ?? -1),
                String(producer.lastSequence), String(producer.lastTimestamp),
                producer.transactionStartOffset.map { String($0) } ?? "None",
            ])
        }
        for line in table.lines { Terminal.print(line) }
    }

    private func abort(_ partition: TopicPartition, _ admin: KafkaAdminClient) async throws {
        let producers = try await admin.describeProducers([partition])[partition]?.get() ?? []
        let found = producers.first { producer in
            guard let begin = producer.transactionStartOffset else { return false }
            return startOffset.map { $0 == begin }
                ?? (producer.producerID == producerId && producer.producerEpoch == producerEpoch)
        }
        guard let found else {
            let what = startOffset.map { "begins at offset \($0)" } ?? "is producer \(producerId ?? -1)'s"
            throw CommandFailure(
                "no open transaction in \(partition.topic)-\(partition.partition) \(what); "
                    + "'sluice transactions describe-producers' shows those that are open")
        }
        try await admin.abortTransaction(found, in: partition)
    }

    private func forceTerminate(_ id: String, _ admin: KafkaAdminClient) async throws {
        _ = try await admin.describeTransactions([id])[id]?.get()
        _ = try await admin.fenceProducers([id])[id]?.get()
    }

    /// Open transactions of which no coordinator knows that they are open there, as Kafka's tool looks for them.
    private func findHanging(_ admin: KafkaAdminClient) async throws {
        let suspects = try await suspects(admin)
        let producers = Array(Set(suspects.map(\.1.producerID)))
        var known: [Int64: Set<TopicPartition>] = [:]
        if !producers.isEmpty {
            let listed = try await admin.listTransactions(producerIDs: producers)
            for description in try await admin.describeTransactions(listed.map(\.transactionalID)).values {
                guard case .success(let found) = description else { continue }
                known[found.producerID, default: []].formUnion(found.partitions)
            }
        }
        let now = WallClock.now()
        var table = TextTable([
            .init(title: "Topic", minimumWidth: 15), .init(title: "Partition", minimumWidth: 9),
            .init(title: "ProducerId", minimumWidth: 10), .init(title: "ProducerEpoch", minimumWidth: 13),
            .init(title: "CoordinatorEpoch", minimumWidth: 16), .init(title: "StartOffset", minimumWidth: 11),
            .init(title: "LastTimestamp", minimumWidth: 13), .init(title: "Duration(min)", minimumWidth: 0),
        ])
        for (partition, producer) in suspects where known[producer.producerID]?.contains(partition) != true {
            table.add([
                partition.topic, String(partition.partition), String(producer.producerID),
                String(producer.producerEpoch), String(producer.coordinatorEpoch ?? -1),
                producer.transactionStartOffset.map { String($0) }, String(producer.lastTimestamp),
                String((now - producer.lastTimestamp) / 60_000),
            ])
        }
        for line in table.lines { Terminal.print(line) }
    }

    /// The transactions that are open and to which nothing was written for long.
    private func suspects(_ admin: KafkaAdminClient) async throws -> [(TopicPartition, ProducerDescription)] {
        let names = if let topic { [topic] } else { try await admin.listTopics(includeInternal: true).map(\.name) }
        let oldest = WallClock.now() - maxTransactionTimeout * 60_000
        var partitions: [TopicPartition] = []
        for (name, description) in try await admin.describeTopics(names) {
            for found in try description.get().partitions where partition == nil || partition == found.id {
                partitions.append(TopicPartition(topic: name, partition: found.id))
            }
        }
        var suspects: [(TopicPartition, ProducerDescription)] = []
        for (partition, producers) in try await admin.describeProducers(partitions).sorted(by: { $0.key < $1.key }) {
            for producer in try producers.get()
            where producer.transactionStartOffset != nil && producer.lastTimestamp <= oldest {
                suspects.append((partition, producer))
            }
        }
        return suspects
    }
}

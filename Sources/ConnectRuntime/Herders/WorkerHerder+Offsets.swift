import ConnectAPI
import KafkaClient
import OrderedCollections

extension WorkerHerder {
    func offsets(of name: String) async throws(HerderError) -> [ConnectorOffset] {
        let plan = try await plan(of: name)
        guard type(plan) == .sink else {
            // As Connect: an offset of no partition at all is stored, but is nobody's.
            return try await storedOffsets(of: name, plan).all.filter { $0.partition != nil }
        }
        let group = SinkGroup.name(of: name, plan.config)
        let positions: [TopicPartition: Int64]
        do {
            positions = try await parts.cluster.groupOffsets(group)
        } catch {
            throw HerderError(status: 500, message: "Failed to read the offsets of consumer group \(group): \(error)")
        }
        return positions.sorted { $0.key < $1.key }.map { partition, offset in
            ConnectorOffset(
                partition: [
                    "kafka_partition": .integer(Int64(partition.partition)), "kafka_topic": .string(partition.topic),
                ],
                offset: ["kafka_offset": .integer(offset)])
        }
    }

    /// What other workers have stored counts as well.
    private func storedOffsets(
        of name: String, _ plan: ConnectorLifecycle.Plan
    ) async throws(HerderError) -> ConnectorOffsets {
        do {
            let offsets = try await parts.offsets.offsets(of: name, plan.config)
            try await offsets.readToEnd()
            return offsets
        } catch {
            throw HerderError(status: 500, message: "The offsets could not be read: \(error)")
        }
    }

    func alterOffsets(of name: String, _ offsets: [ConnectorOffset]) async throws(HerderError) -> String {
        try await ensureLeader()
        let plan = try await stoppedPlan(of: name)
        guard !offsets.isEmpty else {
            throw HerderError(
                status: 400, message: "Partitions / offsets need to be provided for an alter offsets request")
        }
        if type(plan) == .sink {
            let changes = try sinkOffsets(offsets)
            let group = SinkGroup.name(of: name, plan.config)
            do {
                try await parts.cluster.alterGroupOffsets(group, changes)
            } catch {
                throw HerderError(
                    status: 500, message: "Failed to alter consumer group offsets for connector \(name): \(error)")
            }
        } else {
            let stored = try await storedOffsets(of: name, plan)
            do {
                try await fenceForOffsets(name)
                try await stored.alter(Self.inStoredOrder(offsets, stored))
            } catch {
                throw HerderError(
                    status: 500, message: "The offsets of connector \(name) could not be stored: \(error)")
            }
        }
        return Self.changed("altered")
    }

    /// Offsets are found by the bytes of their partition, in which the order of the keys counts. Whoever types one need
    /// not know that: a partition that is stored already is written as it is stored.
    private static func inStoredOrder(
        _ offsets: [ConnectorOffset], _ stored: ConnectorOffsets
    ) -> [ConnectorOffset] {
        let stored = stored.all.compactMap(\.partition)
        return offsets.map { entry in
            guard let partition = entry.partition else { return entry }
            let same = stored.first { known in
                known.count == partition.count && known.allSatisfy { partition[$0.key] == $0.value }
            }
            return ConnectorOffset(partition: same ?? partition, offset: entry.offset)
        }
    }

    func resetOffsets(of name: String) async throws(HerderError) -> String {
        try await ensureLeader()
        let plan = try await stoppedPlan(of: name)
        do {
            if type(plan) == .sink {
                try await parts.cluster.deleteGroup(SinkGroup.name(of: name, plan.config))
            } else {
                try await fenceForOffsets(name)
                try await parts.offsets.offsets(of: name, plan.config).reset()
            }
        } catch {
            throw HerderError(status: 500, message: "Failed to reset the offsets of connector \(name): \(error)")
        }
        return Self.changed("reset")
    }

    private static func changed(_ done: String) -> String {
        "The Connect framework-managed offsets for this connector have been \(done) successfully. However, if this "
            + "connector manages offsets externally, they will need to be manually \(done) in the system that the "
            + "connector uses."
    }

    private func stoppedPlan(of name: String) async throws(HerderError) -> ConnectorLifecycle.Plan {
        let plan = try await plan(of: name)
        guard plan.target == .stopped, plan.tasks.isEmpty, supervisor(of: name)?.hasTasks != true,
            group == nil || parts.statusStore.tasks(of: name).isEmpty
        else {
            throw HerderError(
                status: 400,
                message: "Connectors must be in the STOPPED state before their offsets can be modified. This can be "
                    + "done for the specified connector by issuing a 'PUT' request to the "
                    + "'/connectors/\(name)/stop' endpoint")
        }
        return plan
    }

    private func sinkOffsets(_ offsets: [ConnectorOffset]) throws(HerderError) -> [TopicPartition: Int64?] {
        var changes: [TopicPartition: Int64?] = [:]
        for entry in offsets {
            guard case .string(let topic)? = entry.partition?["kafka_topic"],
                let number = entry.partition?["kafka_partition"]
            else {
                throw HerderError(
                    status: 400,
                    message: "The partition for a sink connector offset must contain the keys 'kafka_topic' and "
                        + "'kafka_partition'")
            }
            guard let partition = number.wholeNumber.flatMap(Int32.init(exactly:)), partition >= 0 else {
                throw HerderError(
                    status: 400,
                    message: "Failed to parse the following Kafka partition value in the provided offsets: "
                        + "'\(number.text)'. Partition values for sink connectors need to be integers.")
            }
            let key = TopicPartition(topic: topic, partition: partition)
            guard let offset = entry.offset else {
                changes.updateValue(nil, forKey: key)
                continue
            }
            guard let value = offset["kafka_offset"] else {
                throw HerderError(
                    status: 400,
                    message: "The offset for a sink connector should either be null or contain the key 'kafka_offset'")
            }
            guard let position = value.wholeNumber, position >= 0 else {
                throw HerderError(
                    status: 400,
                    message: "Failed to parse the following Kafka offset value in the provided offsets: "
                        + "'\(value.text)'. Offset values for sink connectors need to be integers.")
            }
            changes.updateValue(position, forKey: key)
        }
        return changes
    }
}

extension OffsetValue {
    /// The number, also of a string that holds one.
    fileprivate var wholeNumber: Int64? {
        switch self {
        case .integer(let number): number
        case .string(let text): Int64(text)
        default: nil
        }
    }

    fileprivate var text: String {
        if case .string(let text) = self { text } else { json.text }
    }
}

/// The consumer group of a sink connector.
enum SinkGroup {
    static func name(of connector: String, _ config: ConnectorProperties) -> String {
        config["consumer.override.group.id"]?.trimmed ?? "connect-\(connector)"
    }
}

import KafkaClient
import KafkaProtocol
import Logging
import NIOConcurrencyHelpers

/// Checks once per topic that it exists, or makes it.
final class TopicCheck: Sendable {
    private let client: ClientConfiguration
    private let logger: Logger
    private let known = NIOLockedValueBox<[String: Int32]>([:])

    init(client: ClientConfiguration, logger: Logger) {
        self.client = client
        self.logger = logger
    }

    /// Returns the number of partitions.
    func check(_ name: String, _ creation: TopicCreation) async throws -> Int32 {
        if let partitions = known.withLockedValue({ $0[name] }) { return partitions }
        try Self.validate(name)
        let admin = try KafkaAdminClient(configuration: client, logger: logger)
        do {
            let partitions = try await check(name, creation, admin)
            known.withLockedValue { $0[name] = partitions }
            await admin.close()
            return partitions
        } catch {
            await admin.close()
            throw error
        }
    }

    private func check(_ name: String, _ creation: TopicCreation, _ admin: KafkaAdminClient) async throws -> Int32 {
        if let partitions = try await count(name, admin) { return partitions }
        switch creation {
        case .create(let partitions, let replicationFactor):
            let topic = TopicToCreate(name: name, partitions: partitions, replicationFactor: replicationFactor)
            do {
                try await admin.createTopics([topic])[name]?.get()
                logger.info("made a topic", metadata: ["topic": "\(name)"])
            } catch let error as KafkaError where error.errorCode == .topicAlreadyExists {
                // Another instance was quicker.
            }
            return try await count(name, admin) ?? max(partitions, 1)
        case .mustExist:
            let names = try await admin.listTopics().map(\.name)
            var text = "topic '\(name)' does not exist"
            if let near = Self.nearest(to: name, among: names) { text += "; did you mean '\(near)'?" }
            throw KafkaServiceError(.topic, text + " Make it first, or let the topic's creation be .create")
        }
    }

    private func count(_ name: String, _ admin: KafkaAdminClient) async throws -> Int32? {
        do {
            guard let found = try await admin.describeTopics([name])[name]?.get(), !found.partitions.isEmpty else {
                return nil
            }
            return Int32(found.partitions.count)
        } catch let error as KafkaError where error.code == .unknownTopic {
            return nil
        }
    }

    /// Kafka's rule for names of topics (`org.apache.kafka.common.internals.Topic`).
    static func validate(_ name: String) throws(KafkaServiceError) {
        let isLegal = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isLegal, (1...249).contains(name.utf8.count), name != ".", name != ".." else {
            throw KafkaServiceError(
                .topic, "'\(name)' is no name for a topic: 1 to 249 letters, digits, '.', '_' and '-'")
        }
    }

    /// The name that differs least, if it differs in less than a third of its letters.
    static func nearest(to name: String, among names: [String]) -> String? {
        let best = names.filter { !$0.hasPrefix("__") }.map { ($0, distance(name, $0)) }.min { $0.1 < $1.1 }
        guard let best, best.1 * 3 <= max(name.count, 6) else { return nil }
        return best.0
    }

    /// Levenshtein's distance.
    static func distance(_ left: String, _ right: String) -> Int {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        var row = Array(0...right.count)
        for (index, letter) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in right.indices {
                let above = row[column + 1]
                row[column + 1] = min(above + 1, row[column] + 1, diagonal + (letter == right[column] ? 0 : 1))
                diagonal = above
            }
        }
        return row[right.count]
    }
}

import KafkaClient
import NIOCore
import OrderedCollections

/// Kafka Connect's rebalance protocol (`ConnectProtocol`, `IncrementalCooperativeConnectProtocol`): what workers tell
/// the group's leader and what it answers, in classic Kafka types, big endian.
enum ConnectProtocol {
    /// `connect.protocol`.
    enum Mode: String, Sendable, CaseIterable {
        case eager, compatible, sessioned

        /// The protocols to offer, the preferred one first.
        var versions: [Version] {
            switch self {
            case .eager: [.eager]
            case .compatible: [.compatible, .eager]
            case .sessioned: [.sessioned, .compatible, .eager]
            }
        }
    }

    /// A version of the protocol.
    enum Version: Int16, Sendable, Comparable {
        case eager = 0
        case compatible = 1
        case sessioned = 2

        /// The protocol's name in the group.
        var name: String {
            switch self {
            case .eager: "default"
            case .compatible: "compatible"
            case .sessioned: "sessioned"
            }
        }

        init?(name: String) {
            guard let version = [Version.eager, .compatible, .sessioned].first(where: { $0.name == name }) else {
                return nil
            }
            self = version
        }

        static func < (lhs: Version, rhs: Version) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    /// What a worker says when it joins.
    struct Metadata: Sendable, Hashable {
        /// Where its REST listens, with a slash at the end.
        var url: String
        /// The offset after the last record of the config topic that it has read; -1 for none.
        var configOffset: Int64
        /// What it runs; nil for nothing.
        var allocation: Assignment?
    }

    /// What the leader gives a worker. Also what a worker says of its own work.
    struct Assignment: Sendable, Hashable {
        static let noError: Int16 = 0
        /// The leader's view of the config topic is behind a member's.
        static let configMismatch: Int16 = 1

        var error: Int16 = Assignment.noError
        /// The leader's member id.
        var leader: String
        var leaderURL: String
        var configOffset: Int64
        /// Version 0: all of the worker's work. Later: what is new.
        var assigned = WorkShare()
        /// What to stop.
        var revoked = WorkShare()
        /// Milliseconds until the worker should join again; 0 for never.
        var delay: Int32 = 0
    }

    /// What a worker offers when it joins.
    static func offers(_ metadata: Metadata, mode: Mode) -> [GroupProtocol] {
        mode.versions.map { GroupProtocol(name: $0.name, metadata: encode(metadata, $0)) }
    }

    // MARK: Bytes

    static func encode(_ metadata: Metadata, _ version: Version) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(version.rawValue)
        write(metadata.url, to: &buffer)
        buffer.writeInteger(metadata.configOffset)
        guard version > .eager else { return buffer }
        guard let allocation = metadata.allocation else {
            buffer.writeInteger(Int32(-1))
            return buffer
        }
        var bytes = encode(allocation, version)
        buffer.writeInteger(Int32(bytes.readableBytes))
        buffer.writeBuffer(&bytes)
        return buffer
    }

    static func encode(_ assignment: Assignment, _ version: Version) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(version.rawValue)
        buffer.writeInteger(assignment.error)
        write(assignment.leader, to: &buffer)
        write(assignment.leaderURL, to: &buffer)
        buffer.writeInteger(assignment.configOffset)
        write(assignment.assigned, to: &buffer)
        guard version > .eager else { return buffer }
        write(assignment.revoked, to: &buffer)
        buffer.writeInteger(assignment.delay)
        return buffer
    }

    /// nil if the bytes are damaged.
    static func metadata(_ bytes: ByteBuffer) -> Metadata? {
        var buffer = bytes
        guard let version: Int16 = buffer.readInteger(), version >= 0, let url = readString(&buffer),
            let offset: Int64 = buffer.readInteger()
        else { return nil }
        var metadata = Metadata(url: url, configOffset: offset)
        guard version > 0, let length: Int32 = buffer.readInteger(), length >= 0 else { return metadata }
        guard let allocation = buffer.readSlice(length: Int(length)) else { return nil }
        // Zero bytes are an empty allocation too.
        if allocation.readableBytes > 0 {
            guard let parsed = assignment(allocation) else { return nil }
            metadata.allocation = parsed
        }
        return metadata
    }

    /// nil if the bytes are damaged. Fields that are missing at the end have their defaults.
    static func assignment(_ bytes: ByteBuffer) -> Assignment? {
        var buffer = bytes
        guard let version: Int16 = buffer.readInteger(), version >= 0, let error: Int16 = buffer.readInteger(),
            let leader = readString(&buffer), let url = readString(&buffer), let offset: Int64 = buffer.readInteger()
        else { return nil }
        var result = Assignment(error: error, leader: leader, leaderURL: url, configOffset: offset)
        guard buffer.readableBytes > 0 else { return result }
        guard let assigned = readShare(&buffer) else { return nil }
        result.assigned = assigned
        guard version > 0, buffer.readableBytes > 0 else { return result }
        guard let revoked = readShare(&buffer) else { return nil }
        result.revoked = revoked
        result.delay = buffer.readInteger() ?? 0
        return result
    }

    private static func write(_ share: WorkShare, to buffer: inout ByteBuffer) {
        var numbers: [String: [Int32]] = [:]
        for name in share.connectors { numbers[name, default: []].append(-1) }
        for task in share.tasks { numbers[task.connector, default: []].append(Int32(clamping: task.task)) }
        buffer.writeInteger(Int32(numbers.count))
        for (name, numbers) in numbers.sorted(by: { $0.key < $1.key }) {
            write(name, to: &buffer)
            buffer.writeInteger(Int32(numbers.count))
            for number in numbers.sorted() { buffer.writeInteger(number) }
        }
    }

    /// A null array is an empty one.
    private static func readShare(_ buffer: inout ByteBuffer) -> WorkShare? {
        guard let count: Int32 = buffer.readInteger() else { return nil }
        var share = WorkShare()
        // Each entry has six bytes at least.
        guard count <= Int32(clamping: buffer.readableBytes / 6) else { return nil }
        for _ in 0..<max(0, count) {
            guard let name = readString(&buffer), let length: Int32 = buffer.readInteger(), length >= 0,
                length <= Int32(clamping: buffer.readableBytes / 4)
            else { return nil }
            for _ in 0..<length {
                guard let number: Int32 = buffer.readInteger(), number >= -1 else { return nil }
                if number == -1 {
                    share.connectors.insert(name)
                } else {
                    share.tasks.insert(TaskID(connector: name, task: Int(number)))
                }
            }
        }
        return share
    }

    private static func write(_ text: String, to buffer: inout ByteBuffer) {
        buffer.writeInteger(Int16(clamping: text.utf8.count))
        buffer.writeString(text)
    }

    private static func readString(_ buffer: inout ByteBuffer) -> String? {
        guard let length: Int16 = buffer.readInteger(), length >= 0 else { return nil }
        return buffer.readString(length: Int(length))
    }
}

import KafkaProtocol
import NIOCore

/// One record of `__cluster_metadata-0`: what a topic is, or which producer ids have been given out.
///
/// Kind 20 is `ScramRecord`'s, 21 `AclRecord`'s. Every record replaces the one with the same key, so that the last one of each key is the whole state. The layout is
/// our own: key = int16 kind, then the name; value = int16 version (1), then the fields; no value = the thing is gone.
enum MetadataRecord: Equatable {
    struct TopicState: Equatable {
        var name: String
        var id: KafkaUUID
        var partitions: Int32
        var configs: [String: String]
    }

    case topic(TopicState)
    case topicDeleted(name: String)
    /// Producer ids below this one may have been given out.
    case producerIDs(next: Int64)
    /// The limits of a client quota's entity; none means that the entity has no quota.
    case quotas(ClientQuotas.Entity, [String: Double])
    /// What was changed of a broker's settings while it ran, or with "" of the cluster's defaults.
    case brokerConfigs(resource: String, [String: String])
    /// What was set of a group.
    case groupConfigs(group: String, [String: String])

    private static let topicKind: Int16 = 1
    private static let producerIDKind: Int16 = 2
    private static let quotaKind: Int16 = 3
    private static let brokerConfigKind: Int16 = 4
    private static let groupConfigKind: Int16 = 5
    private static let version: Int16 = 1
    static let largestPartitionCount: Int32 = 100_000

    var key: ByteBuffer {
        var writer = WireWriter()
        switch self {
        case .topic(let state):
            writer.writeInt16(Self.topicKind)
            writer.writeString(state.name, flexible: false)
        case .topicDeleted(let name):
            writer.writeInt16(Self.topicKind)
            writer.writeString(name, flexible: false)
        case .producerIDs:
            writer.writeInt16(Self.producerIDKind)
        case .quotas(let entity, _):
            writer.writeInt16(Self.quotaKind)
            writer.writeArrayCount(entity.count, flexible: false)
            for (type, name) in entity.sorted(by: { $0.key < $1.key }) {
                writer.writeString(type, flexible: false)
                if let name {
                    writer.writeString(name, flexible: false)
                } else {
                    writer.writeNullString(flexible: false)
                }
            }
        case .brokerConfigs(let resource, _):
            writer.writeInt16(Self.brokerConfigKind)
            writer.writeString(resource, flexible: false)
        case .groupConfigs(let group, _):
            writer.writeInt16(Self.groupConfigKind)
            writer.writeString(group, flexible: false)
        }
        return writer.buffer
    }

    var value: ByteBuffer? {
        var writer = WireWriter()
        writer.writeInt16(Self.version)
        switch self {
        case .topic(let state):
            writer.writeUuid(state.id)
            writer.writeInt32(state.partitions)
            Self.write(state.configs, &writer)
        case .topicDeleted:
            return nil
        case .producerIDs(let next):
            writer.writeInt64(next)
        case .quotas(_, let limits):
            if limits.isEmpty { return nil }
            writer.writeArrayCount(limits.count, flexible: false)
            for (key, limit) in limits.sorted(by: { $0.key < $1.key }) {
                writer.writeString(key, flexible: false)
                writer.writeFloat64(limit)
            }
        case .brokerConfigs(_, let configs), .groupConfigs(_, let configs):
            if configs.isEmpty { return nil }
            Self.write(configs, &writer)
        }
        return writer.buffer
    }

    private static func write(_ configs: [String: String], _ writer: inout WireWriter) {
        writer.writeArrayCount(configs.count, flexible: false)
        for (name, value) in configs.sorted(by: { $0.key < $1.key }) {
            writer.writeString(name, flexible: false)
            writer.writeString(value, flexible: false)
        }
    }

    private static func configs(_ reader: inout WireReader) throws(WireError) -> [String: String] {
        var configs: [String: String] = [:]
        for _ in 0..<(try reader.readArrayCount(flexible: false, elementSize: 4)) {
            let name = try reader.readString(flexible: false)
            configs[name] = try reader.readString(flexible: false)
        }
        return configs
    }

    /// Reads a record; nil for kinds this version does not know.
    init?(key: ByteBuffer, value: ByteBuffer?) throws(WireError) {
        var keyReader = WireReader(key)
        let kind = try keyReader.readInt16()
        if kind == Self.quotaKind {
            self = try Self.quotas(&keyReader, value)
            return
        }
        guard let value else {
            switch kind {
            case Self.topicKind: self = .topicDeleted(name: try keyReader.readString(flexible: false))
            case Self.brokerConfigKind:
                self = .brokerConfigs(resource: try keyReader.readString(flexible: false), [:])
            case Self.groupConfigKind:
                self = .groupConfigs(group: try keyReader.readString(flexible: false), [:])
            default: return nil
            }
            return
        }
        var reader = WireReader(value)
        guard try reader.readInt16() == Self.version else {
            throw WireError("a record of the metadata log was written by a newer Sluice")
        }
        switch kind {
        case Self.topicKind:
            let name = try keyReader.readString(flexible: false)
            let id = try reader.readUuid()
            let partitions = try reader.readInt32()
            guard (1...Self.largestPartitionCount).contains(partitions) else {
                throw WireError("topic \(name) has \(partitions) partitions")
            }
            let configs = try Self.configs(&reader)
            self = .topic(TopicState(name: name, id: id, partitions: partitions, configs: configs))
        case Self.producerIDKind:
            self = .producerIDs(next: try reader.readInt64())
        case Self.brokerConfigKind:
            self = .brokerConfigs(
                resource: try keyReader.readString(flexible: false), try Self.configs(&reader))
        case Self.groupConfigKind:
            self = .groupConfigs(group: try keyReader.readString(flexible: false), try Self.configs(&reader))
        default:
            return nil
        }
    }

    private static func quotas(_ key: inout WireReader, _ value: ByteBuffer?) throws(WireError) -> MetadataRecord {
        var entity: ClientQuotas.Entity = [:]
        for _ in 0..<(try key.readArrayCount(flexible: false, elementSize: 4)) {
            let type = try key.readString(flexible: false)
            entity.updateValue(try key.readNullableString(flexible: false), forKey: type)
        }
        guard let value else { return .quotas(entity, [:]) }
        var reader = WireReader(value)
        guard try reader.readInt16() == version else {
            throw WireError("a record of the metadata log was written by a newer Sluice")
        }
        var limits: [String: Double] = [:]
        for _ in 0..<(try reader.readArrayCount(flexible: false, elementSize: 10)) {
            let name = try reader.readString(flexible: false)
            limits[name] = try reader.readFloat64()
        }
        return .quotas(entity, limits)
    }
}

import ConnectAPI
import NIOCore
import OrderedCollections

/// Keys and values of the offsets topic, as JsonConverter without schemas writes them. Offsets are looked up by the
/// bytes of the key, so the order of the partition's keys counts.
enum OffsetRecords {
    /// `["connector",{"table":"t"}]`
    static func key(connector: String, partition: OffsetMap) throws(ConnectError) -> ByteBuffer {
        try key(connector: connector, partition: json(partition))
    }

    /// The key of a partition that may be JSON null (Connect allows it).
    static func key(connector: String, partition: JSONValue) throws(ConnectError) -> ByteBuffer {
        ByteBuffer(bytes: JSONValue.array([.string(connector), partition]).bytes)
    }

    /// `{"incrementing":3}`
    static func value(_ offset: OffsetMap) throws(ConnectError) -> ByteBuffer {
        ByteBuffer(bytes: try json(offset).bytes)
    }

    /// The connector and partition of a key; nil if it is none.
    static func parseKey(_ key: ByteBuffer) -> (connector: String, partition: JSONValue)? {
        guard let json = try? JSONValue(parsing: key), let parts = json.arrayValue, parts.count == 2,
            let name = parts[0].stringValue
        else { return nil }
        return (name, parts[1])
    }

    /// A stored offset; nil if it is not a JSON object of plain values.
    static func parseValue(_ value: ByteBuffer) -> OffsetMap? {
        guard let members = (try? JSONValue(parsing: value))?.objectValue else { return nil }
        var offset: OffsetMap = [:]
        for (name, member) in members {
            switch member {
            case .null: offset[name] = .null
            case .bool(let flag): offset[name] = .boolean(flag)
            case .integer(let number): offset[name] = .int64(number)
            case .number(let text): offset[name] = .float64(Double(text) ?? .nan)
            case .string(let text): offset[name] = .string(text)
            case .array, .object: return nil
            }
        }
        return offset
    }

    private static func json(_ map: OffsetMap) throws(ConnectError) -> JSONValue {
        var members: OrderedDictionary<String, JSONValue> = [:]
        for (name, value) in map {
            switch value {
            case .null: members[name] = .null
            case .boolean(let flag): members[name] = .bool(flag)
            case .string(let text): members[name] = .string(text)
            case .float32(let number): members[name] = .double(Double(number))
            case .float64(let number): members[name] = .double(number)
            default:
                guard let number = value.integer else {
                    throw .fatal("\"\(name)\" in a source partition or offset must be a string, number or boolean")
                }
                members[name] = .integer(number)
            }
        }
        return .object(members)
    }
}

// MARK: - REST

extension OffsetValue {
    init?(_ json: JSONValue) {
        switch json {
        case .null: self = .null
        case .bool(let flag): self = .boolean(flag)
        case .integer(let number): self = .integer(number)
        case .number(let text): self = Double(text).map(OffsetValue.double) ?? .null
        case .string(let text): self = .string(text)
        case .array, .object: return nil
        }
    }

    var json: JSONValue {
        switch self {
        case .null: .null
        case .boolean(let flag): .bool(flag)
        case .integer(let number): .integer(number)
        case .double(let number): .double(number)
        case .string(let text): .string(text)
        }
    }
}

extension JSONValue {
    /// The members as plain values; nil if this is null, no object, or holds more than plain values.
    var offsetValues: OrderedDictionary<String, OffsetValue>? {
        guard let members = objectValue else { return nil }
        var result: OrderedDictionary<String, OffsetValue> = [:]
        for (name, member) in members { result[name] = OffsetValue(member) }
        return result
    }

    init(_ values: OrderedDictionary<String, OffsetValue>?) {
        guard let values else { self = .null; return }
        var members: OrderedDictionary<String, JSONValue> = [:]
        for (name, value) in values { members[name] = value.json }
        self = .object(members)
    }
}

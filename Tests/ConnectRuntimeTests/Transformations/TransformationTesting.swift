import ConnectAPI
import OrderedCollections

@testable import ConnectRuntime

/// Makes the named transformation and applies it to a record.
func applied(
    _ name: String, _ config: [String: String], to record: ConnectRecord
) throws(ConnectError) -> ConnectRecord? {
    guard let type = PluginRegistry().transformation(name) else { throw .config("no \(name)") }
    let transformation = type.init()
    try transformation.configure(config)
    var record = record
    return try transformation.apply(&record) ? record : nil
}

/// What configuring the named transformation says is wrong.
func configurationError(_ name: String, _ config: [String: String]) -> String? {
    guard let type = PluginRegistry().transformation(name) else { return "no \(name)" }
    do throws(ConnectError) {
        try type.init().configure(config)
        return nil
    } catch {
        return error.code == .config ? error.message : "not a config error: \(error)"
    }
}

/// A record of a source with this value.
func record(_ schema: Schema?, _ value: ConnectValue) -> ConnectRecord {
    ConnectRecord(SourceRecord(topic: "t", valueSchema: schema, value: value))
}

/// A record without schema.
func record(_ map: OrderedDictionary<String, ConnectValue>) -> ConnectRecord { record(nil, .map(MapEntries(map))) }

/// A record with a struct of these fields.
func record(_ fields: [(String, Schema, ConnectValue)], name: String? = nil) throws -> ConnectRecord {
    let schema = Schema(type: .structure, name: name, fields: fields.map { Field($0.0, $0.1) })
    return record(schema, .structure(try Struct(schema: schema, values: fields.map(\.2))))
}

extension ConnectRecord {
    /// A field of the value, with schema or without.
    subscript(field: String) -> ConnectValue? {
        switch value.value {
        case .structure(let structure): structure[field]
        case .map(let map): map[field]
        default: nil
        }
    }

    /// The names of the value's fields, in order.
    var fieldNames: [String] {
        switch value.value {
        case .structure(let structure): structure.schema.fields.map(\.name)
        case .map(let map): map.entries.compactMap(\.key.stringValue)
        default: []
        }
    }
}

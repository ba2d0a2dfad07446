import ConnectAPI
import Foundation
import NIOCore
import OrderedCollections

/// The recordings of a real Java worker, which lie beside the project.
enum Golden {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "shared/golden")

    static var isPresent: Bool { FileManager.default.fileExists(atPath: folder.path) }

    static func json(_ path: String) throws -> JSONValue {
        try JSONValue(parsing: Data(contentsOf: folder.appending(path: path)))
    }

    /// Every complete envelope that the Java converter wrote in these recordings.
    static func envelopes() throws -> [String] {
        var found: [String] = []
        func collect(_ value: JSONValue) {
            switch value {
            case .object(let members):
                for (key, member) in members {
                    if key == "value", let text = member.stringValue, text.hasPrefix("{\"schema\":"),
                        !text.hasSuffix("…")
                    {
                        found.append(text)
                    }
                    collect(member)
                }
            case .array(let elements): elements.forEach(collect)
            default: break
            }
        }
        for folder in ["flow", "source"] {
            let url = Self.folder.appending(path: folder)
            for name in try FileManager.default.contentsOfDirectory(atPath: url.path).sorted()
            where name.hasSuffix(".json") {
                collect(try json("\(folder)/\(name)"))
            }
        }
        return found
    }
}

extension ByteBuffer {
    var text: String { String(buffer: self) }
}

extension Converter {
    /// The text that the converter writes; nil for a tombstone.
    func text(_ schema: Schema?, _ value: ConnectValue) throws -> String? {
        var buffer = ByteBuffer()
        return try fromConnect(topic: "t", schema: schema, value: value, into: &buffer) ? buffer.text : nil
    }

    func read(_ text: String) throws -> SchemaAndValue {
        try toConnect(topic: "t", bytes: ByteBuffer(string: text))
    }
}

extension Converter {
    /// The bytes that the converter writes without a schema; nil for null.
    func raw(_ value: ConnectValue) throws -> [UInt8]? {
        var buffer = ByteBuffer()
        return try fromConnect(topic: "t", schema: nil, value: value, into: &buffer)
            ? Array(buffer.readableBytesView) : nil
    }
}

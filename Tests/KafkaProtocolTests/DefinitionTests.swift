import Foundation
import Testing

@testable import MessageGenerator

/// Our definitions against Kafka's own schemas, field by field.
@Suite struct DefinitionTests {
    static let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    static let schemas = package.deletingLastPathComponent().appending(path: "shared/reference/messages")

    static var hasSchemas: Bool { FileManager.default.fileExists(atPath: schemas.path) }

    @Test(.enabled(if: hasSchemas, "../shared/reference/messages is not there"))
    func definitionsAgreeWithKafkasSchemas() throws {
        let folder = Self.package.appending(path: "Tools/MessageGenerator/Definitions")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        #expect(files.count >= 34)
        for file in files where file.pathExtension == "api" {
            let definition = try DefinitionFile(parsing: String(contentsOf: file, encoding: .utf8))
            for message in definition.messages {
                let schema = try Self.schema(named: message.name)
                if let key = schema["apiKey"] as? Int { #expect(definition.apiKey == key) }
                #expect(message.versions == (try Self.range(schema["validVersions"])), "\(message.name)")
                #expect(message.flexible == (try Self.range(schema["flexibleVersions"] ?? "none")), "\(message.name)")
                try compare(message.fields, schema["fields"], path: message.name)
                for common in schema["commonStructs"] as? [[String: Any]] ?? [] {
                    let ours = try #require(message.commonStructs.first { $0.name == common["name"] as? String })
                    try compare(ours.fields, common["fields"], path: "\(message.name).\(ours.name)")
                }
            }
        }
    }

    @Test func generatedFilesAreFresh() throws {
        let folder = Self.package.appending(path: "Tools/MessageGenerator/Definitions")
        for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
            let name = file.deletingPathExtension().lastPathComponent
            let output = Self.package.appending(path: "Sources/KafkaProtocol/Generated/\(name).swift")
            let checkedIn = try String(contentsOf: output, encoding: .utf8)
            #expect(try MessageGenerator.generate(file) == checkedIn, "run `swift run MessageGenerator`")
        }
    }

    private func compare(_ ours: [FieldDefinition], _ theirs: Any?, path: String) throws {
        let fields = try #require(theirs as? [[String: Any]], "\(path) has no fields in Kafka's schema")
        #expect(ours.map(\.name) == fields.map { $0["name"] as? String }, "\(path)")
        for (our, their) in zip(ours, fields) {
            let at = "\(path).\(our.name)"
            #expect((our.isArray ? "[]" : "") + our.type == their["type"] as? String, "\(at)")
            #expect(our.versions == (try Self.range(their["versions"] ?? their["taggedVersions"])), "\(at)")
            #expect(our.nullable == (try Self.range(their["nullableVersions"] ?? "none")), "\(at)")
            #expect(our.tag == their["tag"] as? Int, "\(at)")
            #expect(our.taggedVersions == (try Self.range(their["taggedVersions"] ?? "none")), "\(at)")
            #expect(our.isIgnorable == (their["ignorable"] as? Bool ?? false), "\(at)")
            if let value = their["default"] {
                let text = value is NSNull ? "null" : "\(value)".trimmingCharacters(in: .whitespaces)
                let words = [
                    text, text.isEmpty ? "\"\"" : text, text == "1" ? "true" : text, text == "0" ? "false" : text,
                ]
                #expect(our.defaultValue.map { words.contains($0) } == true, "\(at): default \(value)")
            } else {
                #expect(our.defaultValue == nil, "\(at)")
            }
            if !our.fields.isEmpty { try compare(our.fields, their["fields"], path: at) }
        }
    }

    private static func range(_ value: Any?) throws -> VersionRange {
        try VersionRange(parsing: try #require(value as? String))
    }

    /// Kafka's schemas are JSON with `//` comments on lines of their own or at the end of a line.
    private static func schema(named name: String) throws -> [String: Any] {
        var file = schemas.appending(path: "\(name).json")
        if !FileManager.default.fileExists(atPath: file.path) {
            file = schemas.appending(path: "coordinator-records/\(name).json")
        }
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { line -> String in
            var insideString = false
            var previous: Character = " "
            for index in line.indices {
                if line[index] == "\"", previous != "\\" { insideString.toggle() }
                if line[index] == "/", previous == "/", !insideString {
                    return String(line[..<line.index(before: index)])
                }
                previous = line[index]
            }
            return String(line)
        }
        let object = try JSONSerialization.jsonObject(with: Data(lines.joined(separator: "\n").utf8))
        return try #require(object as? [String: Any])
    }
}

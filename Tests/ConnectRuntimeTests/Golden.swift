import ConnectAPI
import Foundation
import NIOCore

/// Recordings of a real Connect worker, in ../shared beside the package.
enum Golden {
    /// A record of an internal topic, as recorded.
    struct Record {
        var key: String
        var value: String?
    }

    static var folder: URL? {
        var url = URL(fileURLWithPath: #filePath)
        while url.path != "/" {
            url.deleteLastPathComponent()
            if FileManager.default.fileExists(atPath: url.appendingPathComponent("Package.swift").path) {
                let folder = url.deletingLastPathComponent().appendingPathComponent("shared/golden")
                return FileManager.default.fileExists(atPath: folder.path) ? folder : nil
            }
        }
        return nil
    }

    static var isAbsent: Bool { folder == nil }

    static func topic(_ name: String) throws -> [Record] {
        guard let folder else { return [] }
        let data = try Data(contentsOf: folder.appendingPathComponent("topics/\(name).json"))
        let records = try JSONValue(parsing: data).arrayValue ?? []
        return records.map { Record(key: $0["key"]?.stringValue ?? "", value: $0["value"]?.stringValue) }
    }
}

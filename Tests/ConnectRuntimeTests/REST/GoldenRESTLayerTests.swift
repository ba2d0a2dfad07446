import ConnectAPI
import Foundation
import NIOHTTP1
import OrderedCollections
import NIOConcurrencyHelpers
import Testing

@testable import ConnectRuntime

/// Recorded calls whose answers the REST layer gives by itself, whatever the worker: routing, media types, bodies.
@Suite struct GoldenRESTLayerTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "shared/golden/rest")

    /// Calls whose status differs on purpose; GoldenDifferences.md has the reasons.
    static let better: [Int: Int] = [
        3: 200,  // `//`
        85: 400, 86: 400, 88: 400, 89: 400, 90: 400, 91: 400, 92: 400, 93: 400, 94: 400, 95: 400,
        112: 400, 116: 400, 117: 400, 143: 404, 144: 404, 181: 404, 191: 404, 230: 400, 232: 400, 247: 400,
        291: 400, 298: 400, 299: 400,
    ]

    static let numbers: [Int] =
        [1, 2, 3, 4, 5, 6, 7] + Array(85...95) + [112, 116, 117] + Array(120...124) + [143, 144, 161, 163]
        + Array(176...223) + [224, 228, 230, 232, 247, 291, 292, 293, 298, 299, 343, 344, 345, 348, 350, 351]

    @Test(.enabled(if: FileManager.default.fileExists(atPath: folder.path), "golden recordings are not here"))
    func answersAsRecordedOrBetter() async throws {
        let rest = RESTCaller()
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        // The connectors that the recorded calls suppose.
        for name in ["my-source-connect", "my-sink-connect"] {
            rest.herder.state.withLockedValue { $0.connectors[name] = ["connector.class": "c"] }
        }
        for number in Self.numbers {
            let prefix = String(format: "%03d-", number)
            let name = try #require(names.first { $0.hasPrefix(prefix) })
            let call = try JSONValue(parsing: Data(contentsOf: Self.folder.appending(path: name)))
            let request = try #require(call["request"])
            var headers = HTTPHeaders()
            for (field, value) in request["headers"]?.objectValue ?? [:] {
                headers.add(name: field, value: value.stringValue ?? "")
            }
            let body: String =
                switch request["body"] {
                case .string(let text)?: text
                // What was no JSON is not in the recording; 121 is about a body without a type.
                case .null?, nil: number == 121 ? "{}" : ""
                case let value?: value.text
                }
            let response = try await rest.call(
                HTTPMethod(rawValue: request["method"]?.stringValue ?? ""), request["path"]?.stringValue ?? "", body,
                headers: headers)
            let recorded = Int(call["response"]?["status"]?.integerValue ?? 0)
            let status = Int(response.status.code)
            #expect(status == Self.better[number] ?? recorded, "\(name)")
            if status >= 400 {
                let error = try JSONValue(parsing: response.body ?? [])
                #expect(error["error_code"] == .integer(Int64(status)), "\(name)")
                #expect(error["message"]?.stringValue != nil, "\(name)")
                #expect(response.headers["Content-Type"] == ["application/json"], "\(name)")
            }
            if status == 405 {
                #expect(response.headers.contains(name: "Allow"), "\(name)")
            }
            if let allow = call["response"]?["headers"]?["Allow"]?.stringValue {
                #expect(
                    Set(allow.split(separator: ",")) == Set(response.headers["Allow"][0].split(separator: ",")),
                    "\(name)")
            }
        }
    }
}

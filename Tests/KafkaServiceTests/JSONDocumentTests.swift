import Foundation
import NIOCore
import Testing

@testable import KafkaService

/// Our JSON decoder gives what Foundation's gives, or leaves the text to it.
@Suite struct JSONDocumentTests {
    private struct Everything: Codable, Equatable {
        struct Inner: Codable, Equatable {
            var name: String
            var tags: [String]
        }

        enum Color: String, Codable { case red, green }

        var id: Int64
        var small: UInt8?
        var price: Double
        var isPaid: Bool
        var note: String?
        var color: Color
        var created: Date
        var inner: [Inner]
        var map: [String: Int]
        var matrix: [[Int?]]
    }

    private func foundation<Value: Decodable>(_ type: Value.Type, _ text: String) -> Value? {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return try? decoder.decode(type, from: Data(text.utf8))
    }

    private func ours<Value: Decodable>(_ type: Value.Type, _ text: String) -> Value? {
        JSONDocument(ByteBuffer(string: text)).flatMap { JSONDocumentDecoder.decode(type, $0) }
    }

    private let example = #"""
        {"id": -9223372036854775808, "small": 255, "price": 1.5e2, "isPaid": true, "unknown": [1, {"a": null}],
         "note": "tea\n\u00e4\ud83d\ude00 \"x\" / ü", "color": "green", "created": "2024-02-29T23:59:58Z",
         "inner": [{"name": "", "tags": []}, {"tags": ["a", "b"], "name": "ö"}], "map": {"x": 1, "y": -2},
         "matrix": [[1, null], []]}
        """#

    @Test func `all kinds of values, as Foundation reads them`() throws {
        let expected = try #require(foundation(Everything.self, example))
        #expect(ours(Everything.self, example) == expected)
        #expect(expected.note == "tea\nä😀 \"x\" / ü")
    }

    @Test func `dates, as Foundation reads them`() {
        for seconds in stride(from: 0, to: 4_102_444_800, by: 7_654_321) {
            let date = Date(timeIntervalSince1970: Double(seconds))
            let text = "[\"\(date.formatted(.iso8601))\"]"
            #expect(ours([Date].self, text) == [date], "\(text)")
        }
    }

    /// Whatever comes: either the same value, or none of ours. What Foundation refuses we do not read.
    @Test func `damaged and odd texts are never read otherwise`() {
        var random = SystemRandomNumberGenerator()
        var texts = [
            "", " ", "{", "nul", "01", "1.", "-", "[1,]", #"{"a":1,}"#, "[1] x", #"["\x"]"#, #"["\ud800"]"#, "[1e999]",
            "[1.0]", "[-0]", #"{"id":1,"id":2}"#, "\u{FEFF}[1]", "[\"a\u{0}b\"]", "[99999999999999999999]",
            #"["2024-02-30T00:00:00Z"]"#, #"["2024-01-01T00:00:00+01:00"]"#, String(repeating: "[", count: 200),
        ]
        let bytes = Array(example.utf8)
        for _ in 0..<2_000 {
            var copy = bytes
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: 0..<copy.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: copy[place] = UInt8.random(in: 0x20...0x7E, using: &random)
                case 1: copy.remove(at: place)
                default: copy.insert(copy[Int.random(in: 0..<copy.count, using: &random)], at: place)
                }
            }
            if let text = String(validating: copy, as: UTF8.self) { texts.append(text) }
        }
        for text in texts {
            if let value = ours(Everything.self, text) {
                #expect(value == foundation(Everything.self, text), "\(text)")
            }
            if let value = ours([Int].self, text) { #expect(value == foundation([Int].self, text), "\(text)") }
            if let value = ours([Date].self, text) { #expect(value == foundation([Date].self, text), "\(text)") }
            if let value = ours([String].self, text) { #expect(value == foundation([String].self, text), "\(text)") }
        }
    }

    @Test func `bytes that are no UTF-8 are no JSON`() {
        #expect(JSONDocument(ByteBuffer(bytes: [0x22, 0xFF, 0x22])) == nil)
        #expect(throws: KafkaServiceError.self) {
            try JSONText.decode(String.self, from: ByteBuffer(bytes: [0x22, 0xFF, 0x22]))
        }
    }

    @Test func `errors are Foundation's`() {
        let error = #expect(throws: KafkaServiceError.self) {
            try JSONText.decode(Everything.Inner.self, from: ByteBuffer(string: #"{"name":"x","tags":[1]}"#))
        }
        #expect(error?.message.contains("field tags.0 is not a String") == true)
    }
}

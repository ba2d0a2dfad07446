#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Decodes values of a ``JSONDocument``. Whatever it throws, Foundation decodes the text again and has the last word, so
/// its errors say little and its coding paths are empty.
struct JSONDocumentDecoder: Decoder {
    /// Foundation has to decode this.
    struct Unusual: Error {}

    let document: JSONDocument
    let place: Int

    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    /// The value of a text; nil if it is Foundation's business.
    static func decode<Value: Decodable>(_ type: Value.Type, _ document: JSONDocument) -> Value? {
        let decoder = JSONDocumentDecoder(document: document, place: 0)
        guard let value = try? decoder.decode(type), !document.needsFoundation else { return nil }
        return value
    }

    var node: JSONDocument.Node { document.nodes[place] }

    /// Also found out when somebody swallows the error.
    func unusual() -> Unusual {
        document.needsFoundation = true
        return Unusual()
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard node.kind == .object else { throw Unusual() }
        return KeyedDecodingContainer(JSONKeyedContainer(decoder: self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard node.kind == .array else { throw Unusual() }
        return JSONUnkeyedContainer(decoder: self)
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { JSONSingleValueContainer(decoder: self) }

    // MARK: - Values

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        if type == Date.self { return try cast(date()) }
        if type == Data.self || type == URL.self || type == Decimal.self { throw unusual() }
        return try Value(from: self)
    }

    private func cast<Value>(_ value: some Any) throws -> Value {
        guard let value = value as? Value else { throw unusual() }
        return value
    }

    func bool() throws -> Bool {
        switch node.kind {
        case .yes: return true
        case .no: return false
        default: throw Unusual()
        }
    }

    func string() throws -> String {
        let node = node
        guard node.kind == .string || node.kind == .escapedString else { throw Unusual() }
        guard let text = document.text(node) else { throw unusual() }
        return text
    }

    /// Plain digits; fractions and exponents are for Foundation to judge.
    func integer<Number: FixedWidthInteger>(_ type: Number.Type) throws -> Number {
        let node = node
        guard node.kind == .number else { throw Unusual() }
        let isNegative = document.bytes[node.start] == UInt8(ascii: "-")
        var value: Number = 0
        for byte in document.bytes[(node.start + (isNegative ? 1 : 0))..<node.end] {
            guard (0x30...0x39).contains(byte), let digit = Number(exactly: byte - 0x30) else { throw unusual() }
            let (product, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            let (next, isFull) =
                isNegative ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
            guard !isTooLarge, !isFull else { throw unusual() }
            value = next
        }
        return value
    }

    func double() throws -> Double {
        let node = node
        guard node.kind == .number else { throw Unusual() }
        let text = String(decoding: document.bytes[node.start..<node.end], as: UTF8.self)
        guard let value = Double(text), value.isFinite else { throw unusual() }
        return value
    }

    /// `2026-11-22T14:30:00Z`, as our own encoder writes it.
    private func date() throws -> Date {
        let text = Array(try string().utf8)
        guard text.count == 20 else { throw unusual() }
        var numbers: [Int] = []
        var number = 0
        for (place, byte) in zip("0000-00-00T00:00:00Z".utf8, text) {
            if place == UInt8(ascii: "0") {
                guard (0x30...0x39).contains(byte) else { throw unusual() }
                number = number * 10 + Int(byte - 0x30)
            } else {
                guard place == byte else { throw unusual() }
                numbers.append(number)
                number = 0
            }
        }
        let (year, month, day) = (numbers[0], numbers[1], numbers[2])
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard (1970...9999).contains(year), (1...12).contains(month), (1...lengths[month - 1]).contains(day),
            numbers[3] < 24, numbers[4] < 60, numbers[5] < 60
        else { throw unusual() }
        // Days since 1970 of the Gregorian calendar, whose years begin in March here.
        let (shifted, start) = month > 2 ? (month - 3, year) : (month + 9, year - 1)
        let days = start * 365 + start / 4 - start / 100 + start / 400 + (153 * shifted + 2) / 5 + day - 719_469
        return Date(timeIntervalSince1970: Double(((days * 24 + numbers[3]) * 60 + numbers[4]) * 60 + numbers[5]))
    }
}

/// The members of an object.
private struct JSONKeyedContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let decoder: JSONDocumentDecoder

    var codingPath: [any CodingKey] { [] }

    var allKeys: [Key] {
        var keys: [Key] = []
        forEachMember { name, _ in
            guard let text = decoder.document.text(name) else { return decoder.document.needsFoundation = true }
            if let key = Key(stringValue: text) { keys.append(key) }
        }
        return keys
    }

    private func forEachMember(_ body: (JSONDocument.Node, Int) -> Void) {
        let nodes = decoder.document.nodes
        var index = decoder.place + 1
        while index < decoder.node.next {
            body(nodes[index], index + 1)
            index = nodes[index + 1].next
        }
    }

    /// The member of this name. Of two, Foundation says which.
    private func find(_ key: Key) -> JSONDocumentDecoder? {
        let name = key.stringValue
        var found: Int?
        forEachMember { node, place in
            guard decoder.document.isName(node, name) else { return }
            if found != nil { decoder.document.needsFoundation = true }
            found = place
        }
        return found.map { JSONDocumentDecoder(document: decoder.document, place: $0) }
    }

    private func member(_ key: Key) throws -> JSONDocumentDecoder {
        guard let found = find(key) else { throw JSONDocumentDecoder.Unusual() }
        return found
    }

    func contains(_ key: Key) -> Bool { find(key) != nil }
    func decodeNil(forKey key: Key) throws -> Bool { try member(key).node.kind == .null }
    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try member(key).bool() }
    func decode(_ type: String.Type, forKey key: Key) throws -> String { try member(key).string() }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try member(key).double() }
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float { throw decoder.unusual() }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try member(key).integer(type) }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try member(key).integer(type) }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try member(key).integer(type) }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try member(key).integer(type) }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try member(key).integer(type) }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try member(key).integer(type) }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try member(key).integer(type) }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try member(key).integer(type) }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try member(key).integer(type) }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try member(key).integer(type) }
    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T { try member(key).decode(type) }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> { try member(key).container(keyedBy: type) }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try member(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder { throw decoder.unusual() }
    func superDecoder(forKey key: Key) throws -> any Decoder { try member(key) }
}

/// The elements of an array.
private struct JSONUnkeyedContainer: UnkeyedDecodingContainer {
    private let decoder: JSONDocumentDecoder
    private var place: Int
    private(set) var currentIndex = 0

    init(decoder: JSONDocumentDecoder) {
        self.decoder = decoder
        place = decoder.place + 1
    }

    var codingPath: [any CodingKey] { [] }
    var isAtEnd: Bool { place >= decoder.node.next }

    var count: Int? {
        var (count, place) = (0, decoder.place + 1)
        while place < decoder.node.next {
            count += 1
            place = decoder.document.nodes[place].next
        }
        return count
    }

    /// Moves on only if `body` does not throw.
    private mutating func take<Value>(_ body: (JSONDocumentDecoder) throws -> Value) throws -> Value {
        guard !isAtEnd else { throw JSONDocumentDecoder.Unusual() }
        let element = JSONDocumentDecoder(document: decoder.document, place: place)
        let value = try body(element)
        place = element.node.next
        currentIndex += 1
        return value
    }

    mutating func decodeNil() throws -> Bool {
        guard !isAtEnd else { throw JSONDocumentDecoder.Unusual() }
        guard decoder.document.nodes[place].kind == .null else { return false }
        return try take { _ in true }
    }

    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try take { try $0.decode(type) } }

    mutating func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type
    ) throws -> KeyedDecodingContainer<Nested> { try take { try $0.container(keyedBy: type) } }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try take { try $0.unkeyedContainer() }
    }

    mutating func superDecoder() throws -> any Decoder { try take { $0 } }
}

/// One value.
private struct JSONSingleValueContainer: SingleValueDecodingContainer {
    let decoder: JSONDocumentDecoder

    var codingPath: [any CodingKey] { [] }

    func decodeNil() -> Bool { decoder.node.kind == .null }
    func decode(_ type: Bool.Type) throws -> Bool { try decoder.bool() }
    func decode(_ type: String.Type) throws -> String { try decoder.string() }
    func decode(_ type: Double.Type) throws -> Double { try decoder.double() }
    func decode(_ type: Float.Type) throws -> Float { throw decoder.unusual() }
    func decode(_ type: Int.Type) throws -> Int { try decoder.integer(type) }
    func decode(_ type: Int8.Type) throws -> Int8 { try decoder.integer(type) }
    func decode(_ type: Int16.Type) throws -> Int16 { try decoder.integer(type) }
    func decode(_ type: Int32.Type) throws -> Int32 { try decoder.integer(type) }
    func decode(_ type: Int64.Type) throws -> Int64 { try decoder.integer(type) }
    func decode(_ type: UInt.Type) throws -> UInt { try decoder.integer(type) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try decoder.integer(type) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try decoder.integer(type) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try decoder.integer(type) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try decoder.integer(type) }
    func decode<T: Decodable>(_ type: T.Type) throws -> T { try decoder.decode(type) }
}

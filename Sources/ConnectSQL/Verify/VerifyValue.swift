import ConnectAPI

/// A value in a form that is the same whatever database and column type it comes from.
enum VerifyValue: Sendable, Hashable {
    case null
    /// Whole numbers; dates and times in milliseconds; booleans as 0 and 1.
    case integer(Int64)
    /// A number with a fraction. `isSingle` says that it has the precision of a float32.
    case real(Double, isSingle: Bool)
    /// A decimal number without zeros at its end.
    case decimal(String)
    case text(String)
    case bytes([UInt8])

    init(_ value: ConnectValue, _ schema: Schema) {
        switch (schema.logicalType, value) {
        case (_, .null): self = .null
        case (.date?, .int32(let days)): self = .integer(Int64(days) * CivilTime.millisecondsPerDay)
        case (.decimal(let scale)?, .bytes(let unscaled)): self = Self.decimal(unscaled, scale)
        case (_, .boolean(let flag)): self = .integer(flag ? 1 : 0)
        case (_, .float32(let number)): self = .real(Double(number), isSingle: true)
        case (_, .float64(let number)):
            self = Int64(exactly: number).map { .integer($0) } ?? .real(number, isSingle: false)
        case (_, .string(let text)): self = .text(text)
        case (_, .bytes(let bytes)): self = .bytes(bytes)
        case (_, .array), (_, .map), (_, .structure):
            self = .text(JSONText.text(of: value).map { String(decoding: $0, as: UTF8.self) } ?? "")
        default: self = value.integer.map { .integer($0) } ?? .null
        }
    }

    private static func decimal(_ unscaled: [UInt8], _ scale: Int) -> VerifyValue {
        var text: [UInt8] = []
        DecimalText.append(unscaled, scale: scale, to: &text)
        if text.contains(UInt8(ascii: ".")) {
            while text.last == UInt8(ascii: "0") { text.removeLast() }
            if text.last == UInt8(ascii: ".") { text.removeLast() }
        }
        let string = String(decoding: text, as: UTF8.self)
        return Int64(string).map { .integer($0) } ?? .decimal(string)
    }

    /// Whether both are the same value, as far as the less exact of their types can tell.
    func matches(_ other: VerifyValue) -> Bool {
        if self == other { return true }
        switch (self, other) {
        case (.real(let a, let isSingle), .real(let b, let isOtherSingle)):
            return isSingle || isOtherSingle ? Float(a) == Float(b) : a == b
        case (.real(let a, let isSingle), .integer(let b)), (.integer(let b), .real(let a, let isSingle)):
            return isSingle ? Float(a) == Float(b) : a == Double(b)
        case (.real(let a, _), .decimal(let b)), (.decimal(let b), .real(let a, _)): return Double(b) == a
        case (.decimal(let a), .text(let b)), (.text(let b), .decimal(let a)): return a == b
        default: return false
        }
    }

    /// Negative if this comes before the other in the order of keys, 0 if they are the same.
    func order(_ other: VerifyValue) -> Int {
        switch (self, other) {
        case (.integer(let a), .integer(let b)): return a < b ? -1 : a == b ? 0 : 1
        case (.text(let a), .text(let b)):
            return a.utf8.lexicographicallyPrecedes(b.utf8) ? -1 : a.utf8.elementsEqual(b.utf8) ? 0 : 1
        default: return self == other ? 0 : "\(self)" < "\(other)" ? -1 : 1
        }
    }
}

extension VerifyValue: CustomStringConvertible {
    /// The value as a person writes it.
    var description: String {
        switch self {
        case .null: "null"
        case .integer(let number): "\(number)"
        case .real(let number, _): "\(number)"
        case .decimal(let text), .text(let text): text
        case .bytes(let bytes): "\(bytes.count) bytes"
        }
    }
}

/// Which columns are compared: those of the key first.
struct VerifyPlan {
    let columns: [(source: String, target: String)]
    let keyCount: Int
    let onlyInSource: [String]
    let onlyInTarget: [String]

    init(_ source: TableDefinition, _ target: TableDefinition, key: [String]) throws(ConnectError) {
        let names = key.isEmpty ? source.columns.filter(\.isKey).map(\.name) : key
        guard !names.isEmpty else {
            throw .config(
                "Table \(source.id.qualifiedName) has no primary key; name the columns to compare by with --key")
        }
        var columns: [(source: String, target: String)] = []
        for name in names {
            guard let left = source.column(name), let right = target.column(name) else {
                throw .config("Both tables need the key's column \(name)")
            }
            columns.append((left.name, right.name))
        }
        let keys = Set(columns.map(\.source))
        var missing: [String] = []
        for column in source.columns where !keys.contains(column.name) {
            if let other = target.column(column.name) {
                columns.append((column.name, other.name))
            } else {
                missing.append(column.name)
            }
        }
        let used = Set(columns.map(\.target))
        keyCount = names.count
        onlyInSource = missing
        onlyInTarget = target.columns.map(\.name).filter { !used.contains($0) }
        self.columns = columns
    }

    /// The columns in which two rows of the same key differ.
    func differences(_ source: [VerifyValue], _ target: [VerifyValue]) -> [String] {
        (keyCount..<columns.count).filter { !source[$0].matches(target[$0]) }.map { columns[$0].source }
    }
}

import ConnectAPI

/// Which rows of a batch are written, and in what order, where rows are found by their key.
///
/// Of rows with the same key the last one counts. Sorted rows keep two tasks from waiting for each other's locks, and
/// spare the database random access; but rows whose keys the database may hold equal (`a` and `A` in most collations)
/// must keep the order they came in, so keys are sorted only where that is certain.
struct KeyOrder: Sendable, Hashable {
    /// The places of the key's columns in the batch; none leaves batches as they are.
    var keys: [Int] = []
    /// Whether the columns of the table compare as the values of the batch do.
    var isSortable = false

    /// Whether integers and texts in a column of that declared type compare as integers and texts do.
    static func canSort(_ kind: ParameterBatch.Kind, _ declaredType: String) -> Bool {
        let type = declaredType.lowercased()
        return switch kind {
        case .integer: ["int", "bigint", "smallint", "tinyint", "mediumint"].contains { type.hasPrefix($0) }
        case .text: ["char", "varchar", "text", "tinytext", "mediumtext", "longtext"].contains { type.hasPrefix($0) }
        case .real, .bytes: false
        }
    }

    /// The batch without rows that are overwritten, in the order to write.
    func apply(to batch: ParameterBatch) -> ParameterBatch {
        guard !keys.isEmpty, batch.count > 1, !isAscending(batch) else { return batch }
        var rows = lastRows(batch)
        if isSortable, keys.allSatisfy({ batch.columns[$0].hasOnlyPrintableASCII }) {
            rows.sort { isBefore($0, $1, batch) }
        }
        return batch.rows(rows)
    }

    // MARK: collapsing

    private enum Part: Hashable {
        case integer(Int64)
        case real(UInt64)
        case bytes(ArraySlice<UInt8>)
        /// Null equals nothing, not even another null.
        case null(row: Int)

        init(_ column: ParameterBatch.Column, _ row: Int) {
            if column.nulls[row] != 0 {
                self = .null(row: row)
            } else {
                switch column.kind {
                case .integer: self = .integer(column.integers[row])
                case .real: self = .real(column.reals[row].bitPattern)
                case .text, .bytes: self = .bytes(column.data[column.range(row)])
                }
            }
        }
    }

    /// The last row of each key, in the order of the batch.
    private func lastRows(_ batch: ParameterBatch) -> [Int] {
        var isLast = [Bool](repeating: true, count: batch.count)
        if keys.count == 1 {
            let column = batch.columns[keys[0]]
            var seen: Set<Part> = []
            seen.reserveCapacity(batch.count)
            for row in (0..<batch.count).reversed() { isLast[row] = seen.insert(Part(column, row)).inserted }
        } else {
            let columns = keys.map { batch.columns[$0] }
            var seen: Set<[Part]> = []
            seen.reserveCapacity(batch.count)
            for row in (0..<batch.count).reversed() {
                isLast[row] = seen.insert(columns.map { Part($0, row) }).inserted
            }
        }
        return isLast.indices.filter { isLast[$0] }
    }

    /// Whether a single whole number grows from row to row, as it does when a topic is read from its beginning.
    private func isAscending(_ batch: ParameterBatch) -> Bool {
        guard keys.count == 1, case let column = batch.columns[keys[0]], column.kind == .integer,
            !column.nulls.contains(1)
        else { return false }
        return zip(column.integers, column.integers.dropFirst()).allSatisfy { $0 < $1 }
    }

    // MARK: sorting

    private func isBefore(_ lhs: Int, _ rhs: Int, _ batch: ParameterBatch) -> Bool {
        for key in keys {
            let column = batch.columns[key]
            if column.nulls[lhs] != column.nulls[rhs] { return column.nulls[lhs] > column.nulls[rhs] }
            if column.kind == .integer {
                if column.integers[lhs] != column.integers[rhs] { return column.integers[lhs] < column.integers[rhs] }
                continue
            }
            let left = Self.words(column, lhs)
            let right = Self.words(column, rhs)
            for (left, right) in zip(left, right) where Self.folded(left) != Self.folded(right) {
                return Self.folded(left) < Self.folded(right)
            }
            if left.count != right.count { return left.count < right.count }
        }
        return lhs < rhs
    }

    /// A text without the spaces at its end, which many collations leave out.
    private static func words(_ column: ParameterBatch.Column, _ row: Int) -> ArraySlice<UInt8> {
        var bytes = column.data[column.range(row)]
        while bytes.last == UInt8(ascii: " ") { bytes.removeLast() }
        return bytes
    }

    /// Letters that some collation holds equal become one: upper and lower case, and i, j, y and u, v, w.
    private static func folded(_ byte: UInt8) -> UInt8 {
        let lower = (65...90).contains(byte) ? byte + 32 : byte
        return switch lower {
        case UInt8(ascii: "j"), UInt8(ascii: "y"): UInt8(ascii: "i")
        case UInt8(ascii: "u"), UInt8(ascii: "w"): UInt8(ascii: "v")
        default: lower
        }
    }
}

extension ParameterBatch.Column {
    fileprivate var hasOnlyPrintableASCII: Bool {
        kind != .text || data.allSatisfy { (0x20...0x7E).contains($0) }
    }
}

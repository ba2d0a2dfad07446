/// Rows of parameters, column by column, as bulk interfaces want them.
struct ParameterBatch {
    /// How the values of a column are held.
    enum Kind: Sendable, Hashable {
        case integer
        case real
        /// UTF-8.
        case text
        case bytes
    }

    /// The values of one parameter over all rows.
    struct Column {
        let kind: Kind
        /// 1 where the value is null.
        private(set) var nulls: [UInt8] = []
        private(set) var integers: [Int64] = []
        private(set) var reals: [Double] = []
        /// The bytes of all values, one after the other.
        private(set) var data: [UInt8] = []
        /// Where each value ends in `data`.
        private(set) var ends: [Int] = []

        init(_ kind: Kind) {
            self.kind = kind
        }

        mutating func reserve(_ rows: Int) {
            nulls.reserveCapacity(rows)
            switch kind {
            case .integer: integers.reserveCapacity(rows)
            case .real: reals.reserveCapacity(rows)
            case .text, .bytes: ends.reserveCapacity(rows)
            }
        }

        mutating func appendNull() {
            nulls.append(1)
            switch kind {
            case .integer: integers.append(0)
            case .real: reals.append(0)
            case .text, .bytes: ends.append(data.count)
            }
        }

        mutating func append(_ value: Int64) {
            nulls.append(0)
            integers.append(value)
        }

        mutating func append(_ value: Double) {
            nulls.append(0)
            reals.append(value)
        }

        mutating func append(_ value: String) {
            nulls.append(0)
            data.append(contentsOf: value.utf8)
            ends.append(data.count)
        }

        mutating func append(_ value: [UInt8]) {
            nulls.append(0)
            data.append(contentsOf: value)
            ends.append(data.count)
        }

        /// Appends what `body` writes as one value.
        mutating func append(writing body: (inout [UInt8]) -> Void) {
            nulls.append(0)
            body(&data)
            ends.append(data.count)
        }

        mutating func removeAll() {
            nulls.removeAll(keepingCapacity: true)
            integers.removeAll(keepingCapacity: true)
            reals.removeAll(keepingCapacity: true)
            data.removeAll(keepingCapacity: true)
            ends.removeAll(keepingCapacity: true)
        }

        /// Drops rows that were appended past `count`.
        mutating func truncate(to count: Int) {
            guard nulls.count > count else { return }
            nulls.removeSubrange(count...)
            switch kind {
            case .integer: integers.removeSubrange(count...)
            case .real: reals.removeSubrange(count...)
            case .text, .bytes:
                data.removeSubrange((count == 0 ? 0 : ends[count - 1])...)
                ends.removeSubrange(count...)
            }
        }

        /// Some of the rows, in the order given.
        func rows(_ rows: [Int]) -> Column {
            var result = Column(kind)
            result.reserve(rows.count)
            for row in rows {
                if nulls[row] != 0 {
                    result.appendNull()
                } else {
                    switch kind {
                    case .integer: result.append(integers[row])
                    case .real: result.append(reals[row])
                    case .text, .bytes:
                        result.append(writing: { [range = range(row)] in $0.append(contentsOf: data[range]) })
                    }
                }
            }
            return result
        }

        /// Where row `row` lies in `data`.
        func range(_ row: Int) -> Range<Int> {
            (row == 0 ? 0 : ends[row - 1])..<ends[row]
        }

        /// About how many bytes a row takes on the wire.
        func size(_ row: Int) -> Int {
            switch kind {
            case .integer, .real: 9
            case .text, .bytes: range(row).count + 10
            }
        }
    }

    var columns: [Column]
    /// How many rows are complete.
    private(set) var count = 0

    init(_ kinds: [Kind], reserving rows: Int = 0) {
        columns = kinds.map { Column($0) }
        for index in columns.indices { columns[index].reserve(rows) }
    }

    var isEmpty: Bool { count == 0 }

    /// Counts a row whose every column has been appended.
    mutating func finishRow() {
        count += 1
    }

    /// Drops the values of a row that could not be completed.
    mutating func abandonRow() {
        for index in columns.indices { columns[index].truncate(to: count) }
    }

    mutating func removeAll() {
        for index in columns.indices { columns[index].removeAll() }
        count = 0
    }

    /// Some of the rows, in the order given.
    func rows(_ rows: [Int]) -> ParameterBatch {
        var result = self
        for index in columns.indices { result.columns[index] = columns[index].rows(rows) }
        result.count = rows.count
        return result
    }

    /// Cuts the rows into ranges of at most `rows` rows and about `bytes` bytes.
    func ranges(rows: Int, bytes: Int) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var start = 0
        var size = 0
        for row in 0..<count {
            let next = columns.reduce(0) { $0 + $1.size(row) }
            if row > start, row - start >= rows || size + next > bytes {
                ranges.append(start..<row)
                start = row
                size = 0
            }
            size += next
        }
        if start < count { ranges.append(start..<count) }
        return ranges
    }
}

/// Columns as Kafka's tools print them: padded to the right, one space between, the last one ragged.
struct TextTable {
    /// One column: its title, and the width it has at least.
    struct Column {
        var title: String
        var minimumWidth: Int
    }

    let columns: [Column]
    private(set) var rows: [[String]] = []

    init(_ columns: [Column]) {
        self.columns = columns
    }

    /// Adds a row; what is missing is shown as `-`.
    mutating func add(_ cells: [String?]) {
        rows.append(cells.map { $0 ?? "-" })
    }

    /// Title and rows.
    var lines: [String] {
        let all = [columns.map(\.title)] + rows
        let widths = columns.indices.map { index in
            max(columns[index].minimumWidth, all.map { $0[index].count }.max() ?? 0)
        }
        return all.map { row in
            let padded = zip(row, widths).map { cell, width in
                cell + String(repeating: " ", count: width - cell.count)
            }
            return (padded.dropLast() + row.suffix(1)).joined(separator: " ").trimmingTrailingSpaces
        }
    }
}

extension String {
    fileprivate var trimmingTrailingSpaces: String {
        var text = self[...]
        while text.last == " " { text = text.dropLast() }
        return String(text)
    }
}

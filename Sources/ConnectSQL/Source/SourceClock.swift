import ConnectAPI

/// What the timestamp columns of a source mean: in which zone they are, and how finely they tell rows apart.
struct SourceClock: Sendable, Hashable {
    /// Whether all columns are instants, which the database shows in the session's zone (UTC).
    let isInstant: Bool
    /// Microseconds between two values that the columns can tell apart.
    private let unit: Int64
    private let zone: SQLTimeZone

    /// - Throws: an error of the configuration if a column is no timestamp.
    init(
        _ columns: [SQLColumn], _ criteria: SourceCriteria, _ target: SourceTarget, _ zone: SQLTimeZone
    ) throws(ConnectError) {
        let names = Set(criteria.timestamps.map { $0.lowercased() })
        let found = columns.filter { names.contains($0.label.lowercased()) }
        for column in found where column.type != .timestamp {
            throw .config(
                "Column \(column.label) of \(target.description) is no timestamp, which timestamp.column.name needs")
        }
        isInstant = !found.isEmpty && found.allSatisfy(\.isInstant)
        let digits = found.map(\.fractionDigits).min() ?? 0
        unit = (0..<max(6 - digits, 0)).reduce(1) { unit, _ in unit * 10 }
        self.zone = isInstant ? .utc : zone
    }

    /// The beginning of the unit that a local time lies in. Rows of a unit that is not over may still come.
    func wholeUnits(_ localMicroseconds: Int64) -> Int64 {
        let rest = localMicroseconds % unit
        return localMicroseconds - (rest < 0 ? rest + unit : rest)
    }

    /// Microseconds since the epoch of a local time.
    func instant(ofLocal microseconds: Int64) -> Int64 {
        let (milliseconds, rest) = CivilTime.split(microseconds: microseconds)
        return zone.utc(fromLocal: milliseconds) &* 1_000 &+ rest
    }

    /// The local time of microseconds since the epoch.
    func local(ofInstant microseconds: Int64) -> Int64 {
        let (milliseconds, rest) = CivilTime.split(microseconds: microseconds)
        return zone.local(fromUTC: milliseconds) &* 1_000 &+ rest
    }
}

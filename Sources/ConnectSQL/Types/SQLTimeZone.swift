/// The zone in which dates and times without a zone are meant (`db.timezone`).
struct SQLTimeZone: Sendable, Hashable {
    static let utc = SQLTimeZone(fixed: 0)

    /// Seconds to add to UTC, where they never change.
    private let fixed: Int
    /// The changes of a named zone.
    private let changes: ZoneChanges?

    private init(fixed: Int) {
        self.fixed = fixed
        changes = nil
    }

    /// UTC by any of its names, a fixed offset such as `+09:00`, `GMT+9` or `UTC-03:30`, or a zone of the system's
    /// database such as `Asia/Tokyo`.
    /// - Returns: nil for any other name.
    init?(_ name: String) {
        let utcNames: Set = ["UTC", "GMT", "Z", "UT", "Etc/UTC", "Etc/GMT", "Zulu", "Etc/Zulu", "Universal", "UCT"]
        if utcNames.contains(name) {
            self = .utc
        } else if let offset = Self.offset(name) {
            fixed = offset
            changes = nil
        } else if let changes = ZoneChanges(name) {
            fixed = 0
            self.changes = changes
        } else {
            return nil
        }
    }

    /// Milliseconds since the epoch of a local time given as if it were UTC. A local time that comes twice is taken
    /// the first time, one that is skipped is moved on by the skip, as Java does.
    func utc(fromLocal milliseconds: Int64) -> Int64 {
        guard let changes else { return milliseconds - Int64(fixed) * 1_000 }
        let seconds = CivilTime.floorSeconds(milliseconds)
        let before = changes.offset(at: seconds - 86_400)
        let candidate = seconds - Int64(before)
        let offset = changes.offset(at: candidate) == before ? before : changes.offset(at: candidate)
        let result = seconds - Int64(offset)
        // Inside of a skipped hour neither offset fits: the one from before moves the time on.
        let fits = changes.offset(at: result) == offset
        return milliseconds - Int64(fits ? offset : before) * 1_000
    }

    /// The local time, as if it were UTC, of milliseconds since the epoch.
    func local(fromUTC milliseconds: Int64) -> Int64 {
        guard let changes else { return milliseconds + Int64(fixed) * 1_000 }
        return milliseconds + Int64(changes.offset(at: CivilTime.floorSeconds(milliseconds))) * 1_000
    }

    private static func offset(_ name: String) -> Int? {
        var text = Substring(name)
        for prefix in ["UTC", "GMT", "UT"] where text.hasPrefix(prefix) {
            text = text.dropFirst(prefix.count)
            break
        }
        guard let sign = text.first, sign == "+" || sign == "-" else { return nil }
        let parts = text.dropFirst().split(separator: ":", omittingEmptySubsequences: false)
        var hours = parts.first.map(String.init) ?? ""
        var minutes = parts.count > 1 ? String(parts[1]) : "0"
        if parts.count == 1, hours.count == 4 {
            minutes = String(hours.suffix(2))
            hours = String(hours.prefix(2))
        }
        guard parts.count <= 2, let hour = Int(hours), let minute = Int(minutes), (0...18).contains(hour),
            (0..<60).contains(minute)
        else { return nil }
        return (sign == "-" ? -1 : 1) * (hour * 3_600 + minute * 60)
    }
}

extension CivilTime {
    /// Whole seconds, rounded down.
    static func floorSeconds(_ milliseconds: Int64) -> Int64 {
        let (quotient, remainder) = milliseconds.quotientAndRemainder(dividingBy: 1_000)
        return remainder < 0 ? quotient - 1 : quotient
    }
}

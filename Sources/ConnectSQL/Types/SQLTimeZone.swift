/// The zone in which dates and times without a zone are meant (`db.timezone`).
struct SQLTimeZone: Sendable, Hashable {
    /// Seconds to add to UTC to get local time.
    let offset: Int

    static let utc = SQLTimeZone(offset: 0)

    private init(offset: Int) {
        self.offset = offset
    }

    /// UTC by any of its names, or a fixed offset such as `+09:00`, `GMT+9` or `UTC-03:30`.
    /// - Returns: nil for any other name.
    init?(_ name: String) {
        let utcNames: Set = ["UTC", "GMT", "Z", "UT", "Etc/UTC", "Etc/GMT", "Zulu", "Etc/Zulu", "Universal", "UCT"]
        if utcNames.contains(name) {
            self = .utc
            return
        }
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
        self.offset = (sign == "-" ? -1 : 1) * (hour * 3_600 + minute * 60)
    }

    /// Milliseconds since the epoch of a local time given as if it were UTC.
    func utc(fromLocal milliseconds: Int64) -> Int64 {
        milliseconds - Int64(offset) * 1_000
    }

    /// The local time, as if it were UTC, of milliseconds since the epoch.
    func local(fromUTC milliseconds: Int64) -> Int64 {
        milliseconds + Int64(offset) * 1_000
    }
}

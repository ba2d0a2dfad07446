#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// This process, as the system sees it.
enum ProcessClock {
    private static let start = ContinuousClock.now

    /// To be called first thing in `main`.
    static func begin() { _ = start }

    /// Milliseconds since `main` began.
    static var milliseconds: Int {
        let elapsed = ContinuousClock.now - start
        return Int(elapsed / .milliseconds(1))
    }

    /// This process's number.
    static var processID: Int32 { getpid() }
}

/// A moment as Kafka's tools print it: `2026-11-22 13:37:00:123`, in local time.
enum LocalTime {
    static func text(_ milliseconds: Int64) -> String {
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        localtime_r(&seconds, &parts)
        func padded(_ number: some BinaryInteger, _ width: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(width - text.utf8.count, 0)) + text
        }
        let day = "\(parts.tm_year + 1900)-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
        let time = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
        return "\(day) \(time):\(padded(milliseconds % 1000, 3))"
    }
}

/// How much has come per second lately: Kafka's `Rate` over samples of one window each. Knows no clock.
struct RateMeter: Sendable {
    private struct Sample {
        var start: Int64
        var total: Double
    }

    /// `quota.window.num` and `quota.window.size.seconds`.
    struct Windows: Sendable, Equatable {
        var count = 11
        /// Milliseconds.
        var size: Int64 = 1000

        /// The span that a rate is measured over when all windows but the running one are full, in seconds.
        var span: Double { Double(max(1, count - 1)) * Double(size) / 1000 }
    }

    private let windows: Windows
    private var samples: [Sample] = []
    /// When something was last counted, in milliseconds.
    private(set) var lastUse: Int64 = 0

    init(_ windows: Windows) {
        self.windows = windows
    }

    /// Counts something at a time in milliseconds; a negative amount takes back.
    mutating func record(_ amount: Double, now: Int64) {
        lastUse = now
        forget(before: now - Int64(windows.count) * windows.size)
        if let last = samples.indices.last, now - samples[last].start < windows.size {
            samples[last].total += amount
        } else {
            samples.append(Sample(start: now, total: amount))
        }
    }

    /// Per second.
    mutating func rate(now: Int64) -> Double {
        forget(before: now - Int64(windows.count) * windows.size)
        return samples.reduce(0) { $0 + $1.total } / (Double(elapsed(now: now)) / 1000)
    }

    /// Milliseconds to wait until the rate is within the limit.
    mutating func throttle(limit: Double, now: Int64) -> Int64 {
        let rate = rate(now: now)
        guard rate > limit, limit > 0 else { return 0 }
        return Int64(((rate - limit) / limit * Double(elapsed(now: now))).rounded())
    }

    private mutating func forget(before oldest: Int64) {
        samples.removeAll { $0.start < oldest }
    }

    /// The measured time: that since the oldest sample, but at least that of all windows but one.
    private func elapsed(now: Int64) -> Int64 {
        let since = samples.first.map { now - $0.start } ?? 0
        let full = since / windows.size
        let least = Int64(max(1, windows.count - 1))
        return max(1, since + max(0, least - full) * windows.size)
    }
}

/// Permissions that come back with time, for changes of topics (KIP-599): Kafka's `TokenBucket`.
struct TokenBucket: Sendable {
    private(set) var lastUse: Int64
    private var tokens: Double

    /// Full at the beginning.
    init(limit: Double, _ windows: RateMeter.Windows, now: Int64) {
        lastUse = now
        tokens = limit * Self.seconds(windows)
    }

    /// Takes some, as long as there is anything left: the count may go below zero.
    ///
    /// - Returns: milliseconds until there is something again; 0 if they were given.
    mutating func take(_ amount: Double, limit: Double, _ windows: RateMeter.Windows, now: Int64) -> Int64 {
        let passed = Double(max(0, now - lastUse)) / 1000
        lastUse = now
        tokens = min(limit * Self.seconds(windows), tokens + passed * limit)
        guard tokens >= 0 else { return Int64((-tokens / limit * 1000).rounded(.up)) }
        tokens -= amount
        return 0
    }

    private static func seconds(_ windows: RateMeter.Windows) -> Double {
        Double(windows.count) * Double(windows.size) / 1000
    }
}

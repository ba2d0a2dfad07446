import NIOCore

/// A clock that never runs backwards, for time-outs.
enum SteadyClock {
    /// Milliseconds since some moment.
    static func now() -> Int64 { Int64(NIODeadline.now().uptimeNanoseconds / 1_000_000) }
}

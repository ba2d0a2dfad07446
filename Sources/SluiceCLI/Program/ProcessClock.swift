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

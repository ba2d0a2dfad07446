/// Exponential back-off with jitter, as Kafka's `ExponentialBackoff`: initial · 2ⁿ up to a maximum, ±20 %.
struct Backoff: Sendable {
    let initial: Duration
    let maximum: Duration
    let jitter = 0.2

    /// The wait before attempt `failures` + 1, with `random` in 0..<1.
    func delay(afterFailures failures: Int, random: Double = .random(in: 0..<1)) -> Duration {
        guard failures > 0 else { return .zero }
        let exponent = min(failures - 1, 30)
        let grown = min(initial * Double(1 << exponent), maximum)
        return grown * (1 - jitter + 2 * jitter * random)
    }
}

/// Which partition takes the records without a key (KIP-794): one partition for a stretch of bytes, then another that is
/// chosen with a probability that falls with the length of its queue, so that a slow leader gets less.
///
/// Java: `BuiltInPartitioner`.
struct StickyPartitioner: Sendable {
    private var current: Int32?
    private var bytes = 0
    private let stretch: Int
    private let isAdaptive: Bool

    init(stretch: Int, isAdaptive: Bool) {
        self.stretch = stretch
        self.isAdaptive = isAdaptive
    }

    /// The partition for a record of so many bytes. `candidates` is asked only when it is time to change.
    ///
    /// - Parameters:
    ///   - isUsable: Whether the current partition still exists.
    ///   - candidates: Partitions that have a leader, with the number of batches that wait for each.
    ///   - random: A number in 0..<bound.
    mutating func partition(
        forBytes size: Int, isUsable: (Int32) -> Bool, candidates: () -> [(partition: Int32, queued: Int)],
        random: (_ bound: Int) -> Int = { Int.random(in: 0..<$0) }
    ) -> Int32? {
        if let current, bytes < stretch, isUsable(current) {
            bytes += size
            return current
        }
        guard let next = Self.choose(candidates(), other: current, isAdaptive: isAdaptive, random: random) else {
            return nil
        }
        current = next
        bytes = size
        return next
    }

    /// Whether one more record goes where the last one went.
    mutating func takes(_ size: Int) -> Bool {
        guard bytes < stretch else { return false }
        bytes += size
        return true
    }

    /// A random partition, each as likely as it is short of the longest queue, plus one. Another than `other` while the
    /// queues are equal: with few partitions chance alone would let one take long runs.
    static func choose(
        _ candidates: [(partition: Int32, queued: Int)], other: Int32?, isAdaptive: Bool,
        random: (_ bound: Int) -> Int
    ) -> Int32? {
        guard let longest = candidates.map(\.queued).max() else { return nil }
        let isEven = candidates.allSatisfy { $0.queued == longest }
        if !isAdaptive || isEven {
            let others = candidates.count > 1 ? candidates.filter { $0.partition != other } : candidates
            return others[random(others.count)].partition
        }
        let total = candidates.reduce(0) { $0 + longest + 1 - $1.queued }
        var point = random(total)
        for candidate in candidates {
            point -= longest + 1 - candidate.queued
            if point < 0 { return candidate.partition }
        }
        return candidates.last?.partition
    }
}

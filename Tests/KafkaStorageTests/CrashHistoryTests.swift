import Foundation
import KafkaProtocol
import KafkaTesting
import NIOCore
import Synchronization
import Testing

@testable import KafkaStorage

/// Random histories with power cuts and kills between any two calls, each from one seed.
///
/// `make soak` runs many more seeds: `SLUICE_SOAK_SEEDS` says how many, `SLUICE_SOAK_FIRST` where they begin.
@Suite struct CrashHistoryTests {
    private static let blocks = 20
    private static let seeds: Range<UInt64> = {
        let environment = ProcessInfo.processInfo.environment
        let first = environment["SLUICE_SOAK_FIRST"].flatMap { UInt64($0) } ?? 0
        return first..<first + (environment["SLUICE_SOAK_SEEDS"].flatMap { UInt64($0) } ?? 80)
    }()

    /// What was acknowledged is there, the rest is a prefix without a hole, no record twice, and the log goes on.
    @Test(arguments: 0..<blocks) func nothingAcknowledgedIsLostInACrash(_ block: Int) throws {
        for seed in Self.seeds where Int(seed % UInt64(Self.blocks)) == block {
            var history = CrashHistory(seed: seed)
            try history.run()
        }
    }

    /// 259, 380: a log closed before anything was appended had names that were not durable. 2355: of a segment that
    /// begins below the deleted records only the part behind them was checked.
    @Test(arguments: [259, 380, 2355] as [UInt64]) func historiesThatHaveFoundFaults(_ seed: UInt64) throws {
        var history = CrashHistory(seed: seed)
        try history.run()
    }
}

/// One history: generations of a process that appends, flushes, deletes and ends in some way.
private struct CrashHistory {
    private let seed: UInt64
    private var random: SeededGenerator
    private var files = FaultInjectingFileSystem()
    /// The values of all records since offset 0, as the last look at the log has found them, and what came after.
    private var written: [String] = []
    /// Records that must be there: their flush has returned.
    private var acknowledged = 0
    /// Records below this have been deleted, or may have been.
    private var deleted = 0

    init(seed: UInt64) {
        self.seed = seed
        random = SeededGenerator(state: seed)
    }

    mutating func run() throws {
        for generation in 0..<5 {
            try runProcess(generation)
            // A kill leaves what the system holds in its cache; a power cut only what chance has written back.
            if chance(2) { files = files.crash(seed: random.next()) }
            try check(files.crash(seed: random.next()), "after a power cut in generation \(generation)")
        }
    }

    private func open(_ files: FaultInjectingFileSystem) throws -> (LogDirectory, PartitionLog) {
        let directory = try LogDirectory.open(path: "/data", fileSystem: files, options: testOptions())
        return (directory, try directory.openLog(topic: "t", partition: 0, configuration: smallSegments(1500)))
    }

    /// Offsets as they are, values as they were written.
    private func check(_ files: FaultInjectingFileSystem, _ when: String) throws {
        let log = try open(files).1
        try #require(log.logEndOffset >= acknowledged, "seed \(seed) \(when): an acknowledged record is lost")
        try #require(log.logStartOffset <= deleted, "seed \(seed) \(when): the log starts at \(log.logStartOffset)")
        let found = try log.records(from: log.logStartOffset)
        let isWhole = found.map(\.offset) == Array(log.logStartOffset..<log.logEndOffset)
        try #require(
            isWhole, "seed \(seed) \(when): a hole from \(log.logStartOffset) to \(log.logEndOffset)")
        let values = found.map { $0.value.map { String(buffer: $0) } ?? "" }
        let isWritten = values == Array(written[Int(log.logStartOffset)..<Int(log.logEndOffset)])
        try #require(
            isWritten, "seed \(seed) \(when): other records than those written")
    }

    private mutating func runProcess(_ generation: Int) throws {
        let (directory, log) = try open(files)
        try check(directory, log, generation)
        for step in 0..<Int.random(in: 0..<60, using: &random) {
            let values = (0..<Int.random(in: 1...4, using: &random)).map {
                "g\(generation)s\(step)r\($0)-" + String(repeating: "x", count: step)
            }
            _ = try log.append(
                try makeBatch(values, producer: 5, epoch: Int16(generation), sequence: sequence(log, generation)))
            written += values
            if chance(6) {
                try log.flush()
                acknowledged = written.count
            }
            if chance(20) { try directory.checkpoint() }
            if chance(30) {
                let start = Int.random(in: Int(log.logStartOffset)...written.count, using: &random)
                deleted = max(deleted, start)
                try log.deleteRecords(before: Int64(start))
            }
            if chance(40) {
                var configuration = smallSegments(1500)
                configuration.retentionBytes = 3000
                log.configuration = configuration
                deleted = max(deleted, written.count)
                try log.applyRetention(now: startOfTests)
                log.configuration = smallSegments(1500)
                deleted = Int(log.logStartOffset)
            }
        }
        if chance(5) {
            try directory.close()
            acknowledged = written.count
        }
    }

    /// The log as a new process finds it; what the last one did not get through is forgotten.
    private mutating func check(_ directory: LogDirectory, _ log: PartitionLog, _ generation: Int) throws {
        try check(files.crash(seed: 0), "at the start of generation \(generation)")
        _ = directory
        written.removeLast(written.count - Int(log.logEndOffset))
        try #require(log.logEndOffset >= acknowledged, "seed \(seed): generation \(generation) has lost a record")
    }

    private mutating func chance(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &random) == 0 }

    private func sequence(_ log: PartitionLog, _ generation: Int) -> Int32 {
        log.state.withLock { state in
            guard let producer = state.producers.producers[5], producer.epoch == Int16(generation) else { return 0 }
            return (producer.batches.last?.lastSequence ?? -1) + 1
        }
    }
}

private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        var mixed = state
        mixed ^= mixed >> 33
        mixed = mixed &* 0xff51_afd7_ed55_8ccd
        return mixed ^ (mixed >> 33)
    }
}

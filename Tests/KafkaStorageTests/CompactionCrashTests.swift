import KafkaProtocol
import KafkaTesting
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import KafkaStorage

/// Random histories against a model; power cuts at every step; disks that fail; readers that are in the middle.
@Suite struct CompactionCrashTests {
    private struct Model {
        /// What has been appended, by offset.
        var appended: [Keyed] = []
        /// Offset of every key's last record.
        var last: [String: Int64] = [:]

        mutating func append(_ records: [Keyed]) {
            for record in records {
                last[record.key ?? ""] = Int64(appended.count)
                appended.append(record)
            }
        }
    }

    private func open(
        _ files: any FileSystem, now: Int64 = startOfTests, _ change: (inout LogDirectory.Options) -> Void = { _ in }
    ) throws -> LogDirectory {
        var options = testOptions(now: now)
        change(&options)
        return try LogDirectory.open(path: "/data", fileSystem: files, options: options)
    }

    /// Order and offsets are kept, nothing is invented, and nothing is gone but what a later record replaces; a tombstone
    /// that is the last of its key may be gone if `forgetsTombstones`.
    private func check(
        _ log: PartitionLog, _ model: Model, forgetsTombstones: Bool = false, _ comment: String
    ) throws {
        let records = try log.records()
        var previous: Int64 = -1
        var found: Set<Int64> = []
        for record in records {
            try #require(record.offset > previous, "\(comment): order")
            previous = record.offset
            found.insert(record.offset)
            let original = model.appended[Int(record.offset)]
            try #require(record.key.map { String(buffer: $0) } == original.key, "\(comment)")
            try #require(record.value.map { String(buffer: $0) } == original.value, "\(comment)")
            try #require(record.timestamp == original.timestamp, "\(comment)")
            try #require(record.headers.count == 1, "\(comment)")
        }
        var state: [String: Int64] = [:]
        for record in records { state[record.key.map { String(buffer: $0) } ?? ""] = record.offset }
        for (key, offset) in model.last {
            let isTombstone = model.appended[Int(offset)].value == nil
            if isTombstone, forgetsTombstones, state[key] == nil { continue }
            try #require(state[key] == offset, "\(comment): the last record of \(key)")
        }
        try #require(log.logEndOffset == Int64(model.appended.count), "\(comment)")
    }

    private func cleanWhole(
        _ directory: LogDirectory, _ log: PartitionLog, now: Int64, _ comment: String
    ) throws {
        for _ in 0..<400 {
            try #require(directory.maintain(now: now).isEmpty, "\(comment)")
            if directory.cleaner.checkpoint(log.name) == log.logEndOffset { return }
        }
        Issue.record("\(comment): no end")
    }

    private func history(
        _ log: PartitionLog, _ model: inout Model, _ random: inout Seeded, now: Int64, keys: Int = 12
    ) throws {
        for _ in 0..<Int.random(in: 1..<40, using: &random) {
            let records = (0..<Int.random(in: 1...5, using: &random)).map { _ in
                let key = "key-\(Int.random(in: 0..<keys, using: &random))"
                let value = "v\(random.next())" + String(repeating: "z", count: Int.random(in: 0..<60, using: &random))
                let isTombstone = Int.random(in: 0..<5, using: &random) == 0
                return Keyed(key, isTombstone ? nil : value, now + Int64.random(in: -50...50, using: &random))
            }
            let codec = CompressionType(rawValue: Int8.random(in: 0...4, using: &random)) ?? .none
            try log.append(records, compression: codec)
            model.append(records)
        }
    }

    @Test(arguments: 0..<10) func randomHistoriesKeepWhatTheModelKeeps(_ block: Int) throws {
        for seed in UInt64(block * 2)..<UInt64(block * 2 + 2) {
            var random = Seeded(state: seed)
            var configuration = eager()
            configuration.segmentBytes = Int.random(in: 700...6000, using: &random)
            configuration.deleteRetentionMs = 1000
            // Some with few keys to a pass and few bytes to a round.
            let isNarrow = Bool.random(using: &random)
            let files = FaultInjectingFileSystem()
            let directory = try open(files) { options in
                if isNarrow { options.cleanerKeys = 7 }
                if isNarrow { options.cleaningBytesPerRound = 1500 }
            }
            let log = try directory.openLog(topic: "t", partition: 0, configuration: configuration)
            var model = Model()
            var now = startOfTests
            for step in 0..<8 {
                try history(log, &model, &random, now: now)
                try #require(directory.maintain(now: now).isEmpty)
                try check(log, model, forgetsTombstones: true, "seed \(seed) step \(step)")
                now += Int64.random(in: 0...600, using: &random)
            }
            try cleanWhole(directory, log, now: now, "seed \(seed)")
            let keys = try log.records().compactMap { $0.key.map { String(buffer: $0) } }
            try #require(Set(keys).count == keys.count, "seed \(seed): a clean log has every key once")
            try check(log, model, forgetsTombstones: true, "seed \(seed) clean")
            // A day later, with something new to clean, the tombstones are gone.
            now += 86_400_000
            for value in ["1", "2"] {
                model.append([Keyed("key-new", value)])
                try log.append([Keyed("key-new", value)])
                try cleanWhole(directory, log, now: now, "seed \(seed) late")
            }
            let values = try log.records().map(\.value)
            try #require(!values.contains(nil), "seed \(seed): a tombstone has outlived its horizon")
            let expected = model.last.values.filter { model.appended[Int($0)].value != nil }.sorted()
            try #require(try log.records().map(\.offset) == expected, "seed \(seed)")
        }
    }

    /// The plug is pulled at every step of a cleaning, with several outcomes each; what is found has all last values, goes
    /// on, and comes to the same end when it is cleaned again.
    @Test func aPowerCutAtAnyStepLosesAndRevivesNothing() throws {
        let files = SteppingFileSystem(FaultInjectingFileSystem())
        let directory = try open(files)
        var configuration = eager()
        configuration.segmentBytes = 1200
        configuration.deleteRetentionMs = 1000
        let log = try directory.openLog(topic: "t", partition: 0, configuration: configuration)
        var model = Model()
        var random = Seeded(state: 4)
        let cuts = NIOLockedValueBox<[(name: String, files: FaultInjectingFileSystem)]>([])
        for round in 0..<2 {
            // Many keys: what is merged and could be lost in it is live.
            try history(log, &model, &random, now: startOfTests, keys: 70)
            try log.flush()
            files.onStep { name in
                for seed in 0..<UInt64(2) {
                    let after = files.inner.crash(seed: seed)
                    cuts.withLockedValue { $0.append((name, after)) }
                }
            }
            if round > 0 { log.configuration.segmentBytes = 1 << 20 }  // all segments are merged
            let now = startOfTests + Int64(round) * 2000
            #expect(directory.maintain(now: now).isEmpty)
            files.onStep(nil)
            let taken = cuts.withLockedValue { cuts in
                defer { cuts = [] }
                return cuts
            }
            #expect(taken.count > 30)
            let final = try log.contents()
            for (index, cut) in taken.enumerated() {
                let comment = "round \(round) cut \(index): \(cut.name)"
                let found = try open(cut.files)
                let again = try found.openLog(topic: "t", partition: 0, configuration: configuration)
                try check(again, model, forgetsTombstones: round > 0, comment)
                for _ in 0..<2 { try #require(found.maintain(now: now).isEmpty, "\(comment)") }
                try check(again, model, forgetsTombstones: round > 0, comment)
                let keys = try again.records().map { $0.key.map { String(buffer: $0) } ?? "" }
                try #require(Set(keys).count == keys.count, "\(comment): every key once")
                let values = Set(try again.contents().filter { $0.contains("=") })
                try #require(values == Set(final.filter { $0.contains("=") }), "\(comment)")
                let names = try cut.files.list("/data/t-0")
                let leftovers = names.filter { $0.hasSuffix(".swap") || $0.hasSuffix(".cleaned") }
                try #require(leftovers == [], "\(comment)")
            }
        }
    }

    @Test func slicesOfReplacedSegmentsStayReadable() throws {
        let directory = try open(FaultInjectingFileSystem())
        var configuration = eager()
        configuration.segmentBytes = 2000
        let log = try directory.openLog(topic: "t", partition: 0, configuration: configuration)
        for index in 0..<40 { try log.append([Keyed("k", "value \(index)")]) }
        let result = try log.read(from: 3, maxBytes: 300)
        let slice = try #require(result.slice)
        let before = try slice.readBytes()
        directory.maintain(now: startOfTests)
        #expect(try log.contents() == ["39:k=value 39"])
        #expect(try slice.readBytes() == before)
        #expect(try RecordBatches.records(in: before, from: 3).first?.header.baseOffset == 3)
    }

    /// A reader that goes through the log again and again while it is written and cleaned: never an error, offsets rise,
    /// and every key's newest value of the time is seen.
    @Test func readersGoOnWhileTheLogIsCleaned() async throws {
        let directory = try open(InMemoryFileSystem())
        var configuration = eager()
        configuration.segmentBytes = 3000
        let log = try directory.openLog(topic: "t", partition: 0, configuration: configuration)
        try log.append((0..<10).map { Keyed("k\($0)", "0") })
        let isDone = NIOLockedValueBox(false)
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    var rounds = 0
                    while !isDone.withLockedValue({ $0 }) || rounds == 0 {
                        let records = try log.records()
                        let offsets = records.map(\.offset)
                        #expect(offsets == offsets.sorted() && Set(offsets).count == offsets.count)
                        #expect(Set(records.map { $0.key.map { String(buffer: $0) } ?? "" }).count == 10)
                        rounds += 1
                    }
                    return rounds
                }
            }
            for round in 1...60 {
                for _ in 0..<5 { try log.append((0..<10).map { Keyed("k\($0)", "\(round)") }) }
                #expect(directory.maintain(now: startOfTests).isEmpty)
            }
            isDone.withLockedValue { $0 = true }
            for try await rounds in group { #expect(rounds > 0) }
        }
        #expect(try log.contents().count == 10)
    }

    @Test func aFullDiskPutsCleaningOff() throws {
        let files = FaultInjectingFileSystem()
        let directory = try open(files)
        let log = try directory.openLog(topic: "t", partition: 0, configuration: eager())
        for index in 0..<50 { try log.append([Keyed("k\(index % 3)", "value \(index)")]) }
        try log.flush()
        directory.maintain(now: startOfTests - 1)
        try log.append([Keyed("k0", "new"), Keyed("k1", String(repeating: "x", count: 4000))])
        try log.rollForCompaction(now: startOfTests)
        try log.flush()
        let before = try log.contents()
        files.faults.freeBytes = 900
        #expect(directory.maintain(now: startOfTests)[log.name]?.code == .diskFull)
        #expect(try log.contents() == before)
        files.faults.freeBytes = nil
        #expect(directory.maintain(now: startOfTests).isEmpty)
        #expect(try log.records().map(\.offset) == [47, 50, 51])
    }

    @Test func aDamagedBatchEndsTheCleaningOfItsLogOnly() throws {
        let files = FaultInjectingFileSystem()
        let directory = try open(files)
        let log = try directory.openLog(topic: "t", partition: 0, configuration: eager())
        let other = try directory.openLog(topic: "t", partition: 1, configuration: eager())
        for log in [log, other] { for index in 0..<5 { try log.append([Keyed("k", "value \(index)")]) } }
        let file = try files.open("/data/t-0/00000000000000000000.log", create: false)
        try file.write([0x7f], at: 70)
        let failures = directory.maintain(now: startOfTests)
        #expect(failures.keys.map(\.description) == ["t-0"])
        #expect(failures[log.name]?.code == .corruptRecord)
        #expect(try other.contents() == ["4:k=value 4"])
        #expect(try log.batches().count == 5, "the bytes are as they were")
        #expect(directory.maintain(now: startOfTests).isEmpty, "reported once")
        #expect(try files.list("/data/t-0").filter { $0.hasSuffix(".cleaned") } == [])
    }

    @Test func aNewLogOfAnOldNameIsCleanedFromItsBeginning() throws {
        let files = FaultInjectingFileSystem()
        let directory = try open(files)
        var log = try directory.openLog(topic: "t", partition: 0, configuration: eager())
        for index in 0..<5 { try log.append([Keyed("k", "value \(index)")]) }
        directory.maintain(now: startOfTests)
        #expect(directory.cleaner.checkpoint(log.name) == 5)
        try directory.deleteLog(topic: "t", partition: 0)
        let after = try open(files.crash(seed: 1))
        #expect(after.cleaner.checkpoint(log.name) == nil)
        log = try directory.openLog(topic: "t", partition: 0, configuration: eager())
        for index in 0..<9 { try log.append([Keyed("k", "value \(index)")]) }
        directory.maintain(now: startOfTests)
        #expect(try log.contents() == ["8:k=value 8"])
    }

    @Test func stoppingEndsACleaning() throws {
        let directory = try open(FaultInjectingFileSystem())
        let log = try directory.openLog(topic: "t", partition: 0, configuration: eager())
        for index in 0..<5 { try log.append([Keyed("k", "value \(index)")]) }
        directory.stopCleaning()
        #expect(directory.maintain(now: startOfTests).isEmpty)
        #expect(try log.contents().count == 5)
    }
}

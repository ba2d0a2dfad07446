import Foundation
import KafkaProtocol
import KafkaTesting
import NIOConcurrencyHelpers
import NIOCore
import Synchronization
import Testing

@testable import KafkaStorage

@Suite struct FaultTests {
    let files = FaultInjectingFileSystem()

    private func open(_ files: FaultInjectingFileSystem) throws -> LogDirectory {
        try LogDirectory.open(path: "/data", fileSystem: files, options: testOptions())
    }

    private func failure(_ body: () throws -> Void) -> StorageError? {
        do {
            try body()
            return nil
        } catch {
            return error as? StorageError
        }
    }

    @Test func anAppendIsOneWrite() throws {
        let log = try open(files).openLog(topic: "t", partition: 0)
        let before = files.counters.writes
        for _ in 0..<100 { _ = try log.append(try makeBatch(["value"])) }
        #expect(files.counters.writes == before + 100)
    }

    @Test func theDiskFillsAndIsFreedAgain() throws {
        let directory = try open(files)
        let log = try directory.openLog(topic: "t", partition: 0, configuration: smallSegments(1000))
        let size = try makeBatch(["value"]).readableBytes
        for free in 0..<(size * 25) where free % 31 == 0 {
            let end = log.logEndOffset
            files.faults.freeBytes = Int64(free)
            var failed: StorageError?
            for _ in 0..<40 {
                failed = failure { _ = try log.append(try makeBatch(["value"])) }
                if failed != nil { break }
            }
            #expect(failed?.code == .diskFull)
            #expect(failed?.errorCode == .kafkaStorageError)
            #expect(log.logEndOffset >= end)
            files.faults.freeBytes = nil
            let next = log.logEndOffset
            #expect(try log.append(try makeBatch(["value"])).baseOffset == next)
        }
        try log.flush()
        let end = log.logEndOffset
        #expect(try log.values().count == Int(end))
        let again = try open(files.crash(seed: 1)).openLog(topic: "t", partition: 0, configuration: smallSegments(1000))
        #expect(again.logEndOffset == end)
    }

    @Test func aWriteThatCannotBeUndoneClosesTheLogForWrites() throws {
        let log = try open(files).openLog(topic: "t", partition: 0)
        _ = try log.append(try makeBatch(["good"]))
        files.faults.freeBytes = 20
        files.faults.failsTruncation = true
        #expect(failure { _ = try log.append(try makeBatch(["bad"])) }?.code == .diskFull)
        files.faults = FaultInjectingFileSystem.Faults()
        #expect(failure { _ = try log.append(try makeBatch(["late"])) } != nil)
        #expect(failure { try log.flush() } != nil)
        #expect(try log.values() == ["good"])
    }

    @Test func afterAFailedSyncNothingIsAcknowledged() throws {
        let directory = try open(files)
        let log = try directory.openLog(topic: "t", partition: 0)
        let other = try directory.openLog(topic: "t", partition: 1)
        _ = try log.append(try makeBatch(["safe"]))
        try log.flush()
        _ = try log.append(try makeBatch(["lost"]))
        files.faults.syncsUntilFailure = 0
        let first = try #require(failure { try log.flush() })
        #expect(first.errorCode == .kafkaStorageError)
        // The next sync of the device succeeds; the log must not believe it.
        let second = try #require(failure { try log.flush() })
        #expect(second.message.contains("t-0"))
        #expect(failure { _ = try log.append(try makeBatch(["late"])) } != nil)
        #expect(log.flushedOffset == 1)
        let answer = NIOLockedValueBox<StorageError?>(nil)
        directory.flusher.flush(log, upTo: 2) { result in
            if case .failure(let error) = result { answer.withLockedValue { $0 = error } }
        }
        _ = try other.append(try makeBatch(["unconcerned"]))
        try other.flush()
        #expect(failure { try directory.close() } != nil)
        #expect(answer.withLockedValue { $0 } != nil)
        #expect(try files.information("/data/.kafka_cleanshutdown") == nil)
        let after = files.crash(seed: 3)
        let restarted = try open(after)
        #expect(try restarted.openLog(topic: "t", partition: 0).values() == ["safe"])
        #expect(try restarted.openLog(topic: "t", partition: 1).values() == ["unconcerned"])
    }

    @Test func manyWaitersShareOneSync() throws {
        let directory = try open(files)
        let log = try directory.openLog(topic: "t", partition: 0)
        _ = try log.append(try makeBatch(["first"]))
        // The device works on the first sync until 50 more requests are waiting.
        let isWorking = DispatchSemaphore(value: 0)
        let mayGoOn = DispatchSemaphore(value: 0)
        let isFirst = NIOLockedValueBox(true)
        files.onSync { path in
            guard path.hasSuffix(".log"),
                isFirst.withLockedValue({ first in
                    defer { first = false }; return first
                })
            else {
                return
            }
            isWorking.signal()
            mayGoOn.wait()
        }
        let answered = DispatchSemaphore(value: 0)
        let syncs = files.counters.syncs
        directory.flusher.flush(log, upTo: 1) { _ in answered.signal() }
        isWorking.wait()
        let failures = NIOLockedValueBox(0)
        for index in 0..<50 {
            let info = try log.append(try makeBatch(["v\(index)"]))
            directory.flusher.flush(log, upTo: info.lastOffset + 1) { result in
                if case .failure = result { failures.withLockedValue { $0 += 1 } }
                answered.signal()
            }
        }
        #expect(log.flushedOffset == 0)
        mayGoOn.signal()
        for _ in 0..<51 { #expect(answered.wait(timeout: .now() + 30) == .success) }
        #expect(files.counters.syncs == syncs + 2, "one for the first, one for the other 50")
        #expect(log.flushedOffset == 51)
        #expect(failures.withLockedValue { $0 } == 0)
        directory.flusher.shutdown()
        directory.flusher.flush(log, upTo: 51) { result in
            if case .success = result { answered.signal() }
        }
        #expect(answered.wait(timeout: .now() + 30) == .success, "what is durable is answered at once")
        _ = try log.append(try makeBatch(["late"]))
        directory.flusher.flush(log, upTo: 52) { result in
            if case .failure = result { answered.signal() }
        }
        #expect(answered.wait(timeout: .now() + 30) == .success, "refused, not forgotten")
    }

    @Test func flushMessagesIsHeeded() throws {
        let directory = try open(files)
        var configuration = LogConfiguration()
        configuration.flushMessages = 3
        let log = try directory.openLog(topic: "t", partition: 0, configuration: configuration)
        let synced = DispatchSemaphore(value: 0)
        files.onSync { if $0.hasSuffix(".log") { synced.signal() } }
        _ = try log.append(try makeBatch(["a", "b"]))
        #expect(synced.wait(timeout: .now()) == .timedOut)
        _ = try log.append(try makeBatch(["c"]))
        #expect(synced.wait(timeout: .now() + 30) == .success)
        directory.flusher.shutdown()
        #expect(log.flushedOffset == 3)
    }
}

import Dispatch
import KafkaProtocol
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import KafkaStorage

@Suite struct ConcurrencyTests {
    /// Four writers that wait for the disk, two readers, and one that deletes and writes checkpoints, all at once.
    @Test func writersReadersAndUpkeepShareALog() throws {
        let folder = try TemporaryFolder()
        let directory = try openDirectory(folder)
        let log = try directory.openLog(topic: "t", partition: 0, configuration: smallSegments(3000))
        let perWriter = 150
        let offsets = NIOLockedValueBox<[Int64: String]>([:])
        let failures = NIOLockedValueBox<[String]>([])
        let writersLeft = NIOLockedValueBox(4)

        DispatchQueue.concurrentPerform(iterations: 7) { role in
            do {
                if role < 4 {
                    defer { writersLeft.withLockedValue { $0 -= 1 } }
                    for index in 0..<perWriter {
                        let value = "w\(role)-\(index)"
                        let info = try log.append(
                            try makeBatch([value], producer: Int64(role), epoch: 0, sequence: Int32(index)))
                        let answered = DispatchSemaphore(value: 0)
                        directory.flusher.flush(log, upTo: info.lastOffset + 1) { result in
                            if case .failure(let error) = result { failures.withLockedValue { $0.append("\(error)") } }
                            answered.signal()
                        }
                        answered.wait()
                        if log.flushedOffset <= info.lastOffset {
                            failures.withLockedValue { $0.append("not flushed") }
                        }
                        offsets.withLockedValue { $0[info.baseOffset] = value }
                    }
                } else if role < 6 {
                    var next: Int64 = 0
                    while writersLeft.withLockedValue({ $0 > 0 }) || next < log.logEndOffset {
                        do {
                            guard let slice = try log.read(from: next, maxBytes: 2000).slice else { continue }
                            let bytes = try slice.readBytes()
                            for batch in try RecordBatches.records(in: bytes, from: next) {
                                if batch.header.baseOffset != next || !batch.isChecksumValid {
                                    failures.withLockedValue {
                                        $0.append("read \(batch.header.baseOffset) for \(next)")
                                    }
                                }
                                next = batch.header.nextOffset
                            }
                        } catch let error as StorageError where error.code == .offsetOutOfRange {
                            next = log.logStartOffset
                        }
                    }
                } else {
                    while writersLeft.withLockedValue({ $0 > 0 }) {
                        try log.deleteRecords(before: max(0, log.logEndOffset - 100))
                        directory.maintain(now: startOfTests)
                        _ = try log.offset(forTimestamp: startOfTests)
                    }
                }
            } catch {
                failures.withLockedValue { $0.append("role \(role): \(error)") }
            }
        }
        #expect(failures.withLockedValue { $0 } == [])
        #expect(log.logEndOffset == Int64(4 * perWriter))
        #expect(offsets.withLockedValue { $0.count } == 4 * perWriter, "every append has an offset of its own")
        for record in try log.records(from: log.logStartOffset) {
            let value = offsets.withLockedValue { $0[record.offset] }
            #expect(record.value.map { String(buffer: $0) } == value)
        }
        try directory.close()
        let again = try openDirectory(folder).openLog(topic: "t", partition: 0, configuration: smallSegments(3000))
        #expect(again.logEndOffset == Int64(4 * perWriter))
    }
}

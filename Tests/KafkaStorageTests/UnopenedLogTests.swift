import KafkaTesting
import Testing

@testable import KafkaStorage

@Suite struct UnopenedLogTests {
    private func open(_ files: FaultInjectingFileSystem) throws -> LogDirectory {
        try LogDirectory.open(path: "/data", fileSystem: files, options: testOptions())
    }

    /// An orderly shutdown vouches only for the logs that were opened since the crash.
    @Test func aLogThatNobodyHasOpenedSinceACrashIsStillRecovered() throws {
        let files = FaultInjectingFileSystem()
        do {
            let directory = try open(files)
            for partition in 0..<2 as Range<Int32> {
                let log = try directory.openLog(topic: "t", partition: partition)
                for value in ["one", "two", "three"] { _ = try log.append(try makeBatch([value])) }
                try log.flush()
            }
        }
        // Killed; and a bit of the last record of partition 1 has not survived.
        let path = "/data/t-1/00000000000000000000.log"
        let file = try files.open(path, create: false)
        try file.write([0xff], at: try file.size() - 3)

        let second = try open(files)
        _ = try second.openLog(topic: "t", partition: 0)
        try second.close()
        let third = try open(files)
        #expect(!third.wasCleanShutdown)
        #expect(try third.openLog(topic: "t", partition: 0).values() == ["one", "two", "three"])
        let found = try third.openLog(topic: "t", partition: 1)
        #expect(try found.values() == ["one", "two"])
        #expect(found.recovery.truncationReason != nil)
        try third.close()
        #expect(try open(files).wasCleanShutdown)
    }
}
